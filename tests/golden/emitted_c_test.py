"""The C of a small training program, as people read it; the text of the kernels is their own matter."""

import re

from gradlet.backends.tinyengine.emitter import files
from gradlet.backends.tinyengine.model import describe
from gradlet.tests.backends.tinyengine.programs import HOST, TOOLBOX, mlp
from gradlet.tests.golden_files import check_golden

FILES = files(describe(mlp(), HOST, TOOLBOX))


def test_header():
    check_golden("emitted_c/mlp.h", FILES["mlp.h"])


def test_source():
    before, kernels, after = re.split(r"(?<=#endif\n\n)((?:.|\n)*)(?=// States\.)", FILES["mlp.c"])
    called = re.findall(r"^KERNEL\nstatic void (\w+)", kernels, re.MULTILINE)
    check_golden("emitted_c/mlp.c", "".join([before, *(f"// ... {name} ...\n" for name in called), "\n", after]))
