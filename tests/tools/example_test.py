"""The digits example learns on the emulated device, in no more memory than its report claims."""

from dataclasses import replace

import pytest

from gradlet.ir import files
from gradlet.ir.plugin import load
from gradlet.ir.target import Memory
from gradlet.optimizers.compilation import replan
from gradlet.tools.api import Compiled, Options, compile_program, context_of
from gradlet.tools.compile import EXAMPLE
from gradlet.tools.datasets import load_dataset
from gradlet.tools.emulate import emulate
from gradlet.tools.evaluation import accuracy
from gradlet.tools.example import DATA, SCHEME, SETTINGS
from gradlet.tools.training import train


def round_up(size: int) -> int:
    """The stack and the RAM end at multiples of 8."""
    return -(-size // 8) * 8


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    tools = load(installed=False)
    made = compile_program(files.load(EXAMPLE, tools.ops), Options(scheme=str(SCHEME)), tools)
    emulate(made)
    return made


def test_rotated_digits_are_learnt_in_the_claimed_memory(compiled):
    claimed = compiled.report["memory"]
    assert claimed["sram_total"] == sum(claimed[kind] for kind in ("arena", "state", "static", "stack"))
    stack = round_up(claimed["stack"])
    room = Memory(compiled.target.sram.base, round_up(claimed["sram_total"] - claimed["stack"] + stack))
    assert room.bytes - claimed["sram_total"] < 16
    target = replace(compiled.target, sram=room, stack_bytes=stack)
    program, data = compiled.program, load_dataset(DATA)
    replan(program, context_of(compiled.toolbox, target, compiled.backend))
    session = compiled.backend.open(program, target, compiled.toolbox)
    try:
        before = accuracy(session, program, data.test)
        train(session, program, data.train, SETTINGS)
        after = accuracy(session, program, data.test)
    finally:
        session.close()
    assert before < 0.40
    assert after > 0.85


def test_the_device_agrees_with_the_reference(compiled):
    assert set(compiled.report["emulation"]) == {"outputs", "step", "states"}
    assert max(compiled.report["emulation"].values()) <= 1e-4


def test_part_of_the_net_is_frozen(compiled):
    learns = compiled.report["learns"]
    assert {s["name"] for s in learns["states"]} == {
        f"{layer}.{kind}" for layer in ("features.2", "features.4", "classifier") for kind in ("weight", "bias")
    }
    assert learns["elements"] < learns["of"]
