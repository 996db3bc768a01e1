"""Every op on every backend against numpy, with operands kept and with each that may be overwritten dying."""

import importlib.util
from collections.abc import Iterator

import pytest

from gradlet.ir.op_def import OpDef
from gradlet.ir.program import Program
from gradlet.tests.ops.bench import Bench
from gradlet.tests.ops.cases import OPS, TOOLBOX

HOST = "x86_64"
NEEDS = {"tvm": "tvm"}


def backend_parameters() -> Iterator[object]:
    for name in TOOLBOX.names("backends"):
        missing = name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None
        yield pytest.param(name, marks=pytest.mark.skipif(missing, reason=f"{NEEDS.get(name)} is not installed"))


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
@pytest.mark.parametrize("backend", list(backend_parameters()))
def test_backend_computes_what_numpy_does(backend: str, op: OpDef):
    bench = Bench(op)
    session = TOOLBOX.get("backends", backend).open(Program(bench.graph), TOOLBOX.get("targets", HOST), TOOLBOX)
    try:
        bench.run(session)
    finally:
        session.close()
