"""The TVM backend: every op as a TensorIR function, built for this machine and run in the planned arena."""

from gradlet.ir.backend import Artifact, Backend, Session
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program
from gradlet.ir.target import Target


def _emit(program: Program, target: Target, toolbox: Toolbox) -> Artifact:
    from gradlet.backends.tvm.artifact import emit

    return emit(program, target, toolbox)


def _open(program: Program, target: Target, toolbox: Toolbox) -> Session:
    from gradlet.backends.tvm.session import TvmSession

    return TvmSession(program, toolbox)


def _choose(program: Program, target: Target, toolbox: Toolbox) -> None:
    from gradlet.backends.tvm.choice import choose

    choose(program, toolbox)


BACKEND = Backend("tvm", _emit, _open, _choose)
