"""Programs that run on an emulated microcontroller."""

from dataclasses import replace

import numpy as np
import pytest

from gradlet.backends.reference import BACKEND as REFERENCE
from gradlet.backends.tinyengine import BACKEND
from gradlet.backends.tinyengine.cortex_m.session import open_device
from gradlet.backends.tinyengine.host.session import open_host
from gradlet.ir.errors import CompileError
from gradlet.ir.memory_plan import live_slots
from gradlet.ir.target import Memory
from gradlet.targets.cortex_m_generic import TARGET as GENERIC
from gradlet.targets.nrf52840 import TARGET as NRF52840
from gradlet.targets.stm32f746 import TARGET
from gradlet.tests.backends.tinyengine.programs import TOOLBOX, batch, classifier, features, mlp

# A core without a floating point unit: floats are passed in integer registers, and computed by a library.
SOFT = replace(GENERIC, name="soft", cpu="cortex-m3", features=frozenset())


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].shape == np.shape(array)
        np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.fixture(scope="module")
def device():
    device = open_device(mlp(), TARGET, TOOLBOX)
    yield device
    device.close()


@pytest.mark.parametrize("target", [TARGET, NRF52840, SOFT], ids=lambda t: t.name)
def test_learns_as_the_reference_does(target):
    program = mlp()
    device, reference = (b.open(program, target, TOOLBOX) for b in (BACKEND, REFERENCE))
    for seed in range(5):
        assert_same(device.train_step(batch(seed)), reference.train_step(batch(seed)))
        assert_same(device.states(), reference.states())
        assert_same(device.infer(features(seed)), reference.infer(features(seed)))
    device.close()


def test_has_the_bits_of_the_host(device):
    host = open_host(mlp(), TARGET, TOOLBOX)
    device.set_states({"head.weight": mlp().graph.states[2].init})
    for seed in range(3):
        ours, theirs = device.train_step(batch(seed)), host.train_step(batch(seed))
        assert {name: array.tobytes() for name, array in ours.items()} == {n: a.tobytes() for n, a in theirs.items()}
    assert np.array_equal(device.states()["head.weight"], host.states()["head.weight"])
    host.close()


def test_program_that_does_not_train_only_infers():
    device = open_device(classifier(), TARGET, TOOLBOX)
    assert_same(device.infer(features()), REFERENCE.open(classifier(), TARGET, TOOLBOX).infer(features()))
    assert device.memory()["state"] == 0
    with pytest.raises(AssertionError, match="does not train"):
        device.train_step(batch())
    device.close()


def test_many_steps_in_one_go_are_the_same_steps(device):
    start = mlp().graph.states[2].init
    batches = [batch(seed) for seed in range(70)]
    stacked = {name: np.stack([b[name] for b in batches]) for name in ("x", "label")}
    device.set_states({"head.weight": start})
    one_by_one = [device.train_step(b)["loss"] for b in batches]
    learnt = device.states()["head.weight"]
    device.set_states({"head.weight": start})
    found = device.train_steps(stacked | {"lr": np.float32(0.1)})
    assert np.array_equal(found["loss"], one_by_one)
    assert found["logits"].shape == (70, 4, 3)
    assert np.array_equal(device.states()["head.weight"], learnt)


def test_instructions_are_exact(device):
    device.infer(features())
    first, before = device.instructions, device.total_instructions
    device.infer(features())
    assert device.instructions == first
    device.infer_many({"x": np.stack([features()["x"]] * 10)})
    assert device.total_instructions == before + 11 * first
    device.train_step(batch())
    assert device.instructions > first
    profile = device.profile()
    assert {"mlp_infer", "mlp_train_step", "dense_f32", "start"} <= profile.keys()


def test_constant_states_are_read_from_flash_and_cannot_be_set(device):
    assert np.array_equal(device.states()["body.weight"], mlp().graph.states[0].init)
    flash = TARGET.flash
    assert flash and flash.base <= device.emulator.address("mlp_state_body_weight") < flash.base + flash.bytes
    with pytest.raises(CompileError, match="changeable state"):
        device.set_states({"body.weight": mlp().graph.states[0].init})


def test_parameters_read_back_as_written(device):
    written = np.arange(24, dtype=np.float32).reshape(3, 8)
    device.set_states({"head.weight": written})
    assert np.array_equal(device.states()["head.weight"], written)


def test_memory_is_measured(device):
    device.train_step(batch())
    memory = device.memory()
    assert memory["state"] == 3 * 8 * 4
    assert memory["flash_weights"] == (6 * 8 + 8 + 3 * 8) * 4
    assert memory["flash_total"] == memory["flash_weights"] + memory["flash_code"]
    assert memory["sram_total"] == memory["arena"] + memory["state"] + memory["static"] + memory["stack"]
    assert 0 <= memory["static"] < 64
    assert 0 < memory["stack"] < 1024
    assert memory["sram_total"] - memory["stack"] < device.ram_used <= memory["sram_total"]


def test_the_claimed_memory_is_enough_and_not_more_than_enough(device):
    device.train_step(batch())
    device.infer(features())
    claimed = device.memory()
    exact = replace(TARGET, sram=Memory(0x2000_0000, claimed["sram_total"]))
    small = open_device(mlp(), exact, TOOLBOX, stack_bytes=claimed["stack"])
    assert small.train_step(batch()).keys() == {"loss", "logits"}
    small.infer(features())
    small.close()
    smaller = open_device(mlp(), exact, TOOLBOX, stack_bytes=claimed["stack"] - 8)
    with pytest.raises(CompileError) as caught:
        smaller.train_step(batch())
        smaller.infer(features())
    assert caught.value.code == "GL343"
    smaller.close()


def test_a_device_that_is_too_small_is_an_error_with_what_is_alive():
    small = replace(TARGET, sram=Memory(0x2000_0000, 4096 + 256))
    with pytest.raises(CompileError, match="bytes more than the 4,352 bytes of RAM") as caught:
        open_device(mlp(), small, TOOLBOX)
    message = str(caught.value)
    assert "mlp_arena" in message
    assert "%0: f32[4,8] 128" in message


def test_what_a_call_needs_at_least_is_in_the_arena(device):
    slots = live_slots(device.model.train_step.graph, TOOLBOX.ops)
    assert device.memory()["arena"] >= max(slot.size for slot in slots)


def test_inputs_are_checked(device):
    with pytest.raises(CompileError, match="label"):
        device.train_step({"x": batch()["x"], "lr": np.float32(0.1)})
    with pytest.raises(CompileError, match="of one length"):
        device.train_steps({"x": np.zeros((3, 4, 6)), "label": np.zeros((2, 4), np.int32), "lr": np.float32(0)})
    with pytest.raises(CompileError, match="f32"):
        device.infer({"x": np.zeros((4, 7), np.float32)})


def test_a_stack_that_is_too_small_is_an_error():
    device = open_device(mlp(), TARGET, TOOLBOX, stack_bytes=64)
    with pytest.raises(CompileError) as caught:
        device.train_step(batch())
    assert caught.value.code == "GL343"
    device.close()
