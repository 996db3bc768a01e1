"""The checkout is as the pinned tools want it; `./bazelw run //tools:lint -- --fix` repairs most of what is not."""

import pytest

from gradlet.tools import lint


@pytest.mark.parametrize("name", lint.TOOLS)
def test_tool(name):
    root = lint.checkout()
    command = lint.TOOLS[name](root, False)
    if not command:
        pytest.skip(f"{name} is not installed")
    done = lint.run(root, command)
    assert done.returncode == 0, done.stdout
