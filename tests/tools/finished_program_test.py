"""A finished training step is emitted anew: for another backend or target, but never with another scheme."""

import pytest

import gradlet
from gradlet.ir.errors import CompileError
from gradlet.ir.program import Program
from gradlet.tests.small_models import mlp
from gradlet.tools.api import compile_module

SCHEME = "last_1{ratio=0.5}"


def _finished() -> Program:
    return compile_module(Program(mlp(4, 8, 8, 3)), target="x86_64", backend="reference", scheme=SCHEME).program


def test_the_report_says_what_learns():
    compiled = gradlet.compile(_finished(), target="stm32f746")
    assert compiled.report["scheme"] == SCHEME
    assert compiled.report["memory"]["arena"] > 0


@pytest.mark.parametrize(
    "option", [{"scheme": "bias_only"}, {"update": "adam"}, {"loss": "mse"}, {"classes": 4}, {"skip": ("fuse",)}]
)
def test_what_was_decided_stays(option):
    with pytest.raises(CompileError, match=f"{next(iter(option))} cannot be chosen any more"):
        gradlet.compile(_finished(), **option)


def test_a_budget_is_kept():
    with pytest.raises(CompileError, match="GL230"):
        gradlet.compile(_finished(), ram_budget="1KB")


def test_a_budget_limits_this_machine_too():
    with pytest.raises(CompileError, match="GL230"):
        gradlet.compile(Program(mlp(4, 8, 3)), target="x86_64", ram_budget="1KB")


def test_an_inference_has_no_scheme():
    assert gradlet.compile(Program(mlp(4, 8, 3)), scheme="none").report["scheme"] == "none"
