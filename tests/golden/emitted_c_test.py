"""The C of a small training program, as people read it."""

import pytest

from gradlet.backends.tinyengine.emitter import files
from gradlet.backends.tinyengine.model import describe
from gradlet.tests.backends.tinyengine.programs import HOST, TOOLBOX, mlp
from gradlet.tests.golden_files import check_golden


@pytest.mark.parametrize("name", ["mlp.h", "mlp.c"])
def test_emitted_c(name: str):
    check_golden(f"emitted_c/{name}", files(describe(mlp(), HOST, TOOLBOX))[name])
