"""Makes the repository's root the Python package `gradlet`, whatever its folder is called.

Bazel calls that folder `gradlet` (4) or `_main` (7 and newer), and a checkout can be anywhere.
Programs and tests of Bazel start here; conftest.py uses enter().
"""

import os
import runpy
import sys
from importlib.util import module_from_spec, spec_from_file_location

PACKAGE = "gradlet"


def enter(root: str) -> None:
    """Imports of `gradlet.x` find x in root; imports of plain `x` do not."""
    root = os.path.abspath(root)
    sys.path[:] = [entry for entry in sys.path if not _exposes(entry, root)]
    init = os.path.join(root, "__init__.py")
    spec = spec_from_file_location(PACKAGE, init, submodule_search_locations=[root])
    assert spec is not None and spec.loader is not None, init
    package = module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)


def _exposes(entry: str, root: str) -> bool:
    """Whether an entry of sys.path makes folders of the repository importable as they are.

    Bazel puts its runfiles folder, and every repository in it, on the path.
    """
    path = os.path.abspath(entry)
    parent = os.path.dirname(root)
    is_runfiles = parent.endswith(".runfiles") and parent in (path, os.path.dirname(path))
    return is_runfiles or os.path.realpath(path) == os.path.realpath(root)


def share_with_children(root: str) -> None:
    """What this process can import, `python -m` in a child of it can: ziglang, gradlet.x."""
    import_path = os.path.join(os.path.abspath(root), "build_defs", "import_path")
    inherited = [entry for entry in sys.path if not entry.startswith((sys.prefix, sys.base_prefix))]
    os.environ["PYTHONPATH"] = os.pathsep.join([import_path, *(e for e in inherited if e != import_path)])


def start(root: str, args: list[str]) -> int | None:
    """Runs the module args[0], as `python -m` does, or pytest."""
    here = os.path.dirname(os.path.realpath(sys.argv[0]))  # Python puts it first
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != here]
    enter(root)
    share_with_children(root)
    if args[0] == "pytest":
        from gradlet.build_defs import pytest_plugin

        return pytest_plugin.main(root, args[1:])
    sys.argv = args
    runpy.run_module(args[0], run_name="__main__", alter_sys=True)
    return None
