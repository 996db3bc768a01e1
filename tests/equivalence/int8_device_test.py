"""The pretrained int8 networks learn on the emulated microcontroller: bit for bit, and in the RAM that was promised."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.ir.backend import Session
from gradlet.ir.target import Memory
from gradlet.tests.frontends.mcunet.real import path_of, photographs
from gradlet.tools.api import Compiled, Options, compile_program, import_source, load

TOOLS = load(installed=False)
CLASSES, SIDE, STEPS, LR = 10, 128, 100, 0.0016
# Bytes of RAM for data, bss, arena and stack together; TinyEngine needs 252,416 for MCUNet.
RAM = {"mcunet-5fps": 200 << 10, "proxyless-w0.3": 192 << 10, "mbv2-w0.35": 272 << 10}
# TinyEngine's, of MCUNet.
FLASH = 664_808
STACK = 2048


@cache
def compiled(network: str, scheme: str) -> Compiled:
    options = Options(scheme=scheme, classes=CLASSES, target="stm32f746")
    return compile_program(import_source(str(path_of(network)), options, TOOLS), options, TOOLS)


def feed(count: int) -> dict[str, np.ndarray]:
    """Images [count, 1, 128, 128, 3] of the input's integers, with labels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, (count, 1)).astype(np.int32)
    return {"image": photographs(count, SIDE)[:, None], "label": labels, "lr": np.float32(LR)}


def open_in(made: Compiled, ram: int) -> Session:
    """The device with so much RAM: what lies beyond is not there."""
    target = replace(made.target, sram=Memory(made.target.sram.base, ram), stack_bytes=STACK)
    return made.backend.open(made.program, target, made.toolbox)


@pytest.mark.parametrize("scheme", ["49kb", "99kb"])
def test_hundred_steps_on_the_device_are_those_of_the_reference(scheme):
    made, samples = compiled("mcunet-5fps", scheme), feed(STEPS)
    reference, device = ReferenceSession(made.program, TOOLS), made.open()
    try:
        expected = [
            reference.train_step({"image": x, "label": y, "lr": samples["lr"]})
            for x, y in zip(samples["image"], samples["label"], strict=True)
        ]
        found = device.train_steps(samples)
        states, last = device.states(), device.infer({"image": samples["image"][0]})
    finally:
        device.close()
    for name, outputs in found.items():
        np.testing.assert_array_equal(outputs, [e[name] for e in expected], err_msg=name)
    for name, array in reference.states().items():
        np.testing.assert_array_equal(states[name], array, err_msg=name)
    np.testing.assert_array_equal(list(last.values()), list(reference.infer({"image": samples["image"][0]}).values()))
    weights = [s for s in made.program.graph.states if s.trainable and s.init.dtype == np.int8]
    assert weights
    assert all((states[s.name] != s.init).any() for s in weights)


@pytest.mark.parametrize("network", RAM)
def test_network_learns_in_a_ram_of_exactly_that_size(network):
    made, samples = compiled(network, "49kb"), feed(3)
    device = open_in(made, RAM[network])
    try:
        losses = device.train_steps(samples)[made.program.graph.outputs[0].name]
        device.infer({"image": samples["image"][0]})
        memory = device.memory()
    finally:
        device.close()
    assert np.isfinite(losses).all()
    assert memory["sram_total"] <= RAM[network]
    if network == "mcunet-5fps":
        assert memory["flash_total"] < FLASH
