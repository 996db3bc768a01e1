"""A device is compared with the reference as strictly as rounding allows."""

import numpy as np
import pytest

from gradlet.ir.errors import CompileError
from gradlet.ir.program import Program
from gradlet.tests.small_models import Builder, Role, mlp
from gradlet.tools.api import Compiled, compile_module
from gradlet.tools.emulate import TOLERANCE, emulate


class _Wrong:
    """A device whose states are not what they should be."""

    def __init__(self, compiled: Compiled, factor: float):
        self._session, self._factor = compiled.open(), factor

    def __getattr__(self, name: str):
        return getattr(self._session, name)

    def states(self) -> dict[str, np.ndarray]:
        states = self._session.states()
        name = max(states, key=lambda n: states[n].size)
        return {**states, name: states[name] * np.float32(self._factor)}


def _emulated(factor: float, monkeypatch: pytest.MonkeyPatch) -> float:
    compiled = compile_module(Program(mlp(4, 8, 3)), target="x86_64", backend="reference")
    device = _Wrong(compiled, factor)
    monkeypatch.setattr(Compiled, "open", lambda self: device)
    emulate(compiled)
    return float(compiled.report["emulation"]["states"])


def test_a_small_difference_is_told(monkeypatch):
    assert 0 < _emulated(1 + TOLERANCE / 4, monkeypatch) < TOLERANCE


@pytest.mark.parametrize("factor", [1 + 4 * TOLERANCE, np.nan, np.inf])
def test_a_wrong_device_is_refused(factor, monkeypatch):
    with pytest.raises(CompileError, match="GL404"):
        _emulated(factor, monkeypatch)


@pytest.mark.parametrize("update", ["momentum", "adam{decoupled=true,weight_decay=0.05}"])
def test_rounding_errors_alone_are_no_difference(update):
    """The bias before a batch norm has a gradient of 0: what is computed for it is rounding, and Adam enlarges it."""
    b = Builder("norm", 6, 5)
    gamma, beta = b.state("gamma", np.ones(4)), b.state("beta", np.zeros(4))
    mean, var = (b.state(n, np.ones(4), Role.BUFFER) for n in ("mean", "var"))
    h = b.emit("batch_norm_train", b.dense(b.x, 4), gamma, beta, mean, var, eps=0.1, momentum=0.1)
    b.emit.loc = "head"
    compiled = compile_module(Program(b.done(b.dense(h, 3))), update=update)
    emulate(compiled)
    assert compiled.report["emulation"]["states"] <= TOLERANCE
