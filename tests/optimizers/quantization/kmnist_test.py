"""A ResNet-8 keeps its accuracy in int8, and learns characters it has never seen on an emulated Cortex-M7."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import gradlet
from gradlet.ir.graph import written_states
from gradlet.tests.kmnist import FILE, accuracy_of, kmnist, trained_resnet8
from gradlet.tools.api import Compiled
from gradlet.tools.datasets import Split
from gradlet.tools.evaluation import accuracy
from gradlet.tools.settings import Settings
from gradlet.tools.training import train

pytestmark = pytest.mark.skipif(not FILE.is_file(), reason=f"{FILE} is missing: set GRADLET_DATA")

KNOWN, NEW = range(8), (8, 9)
STEPS = Settings(epochs=1.0, lr=0.03)


@pytest.fixture(scope="module")
def module() -> torch.nn.Module:
    torch.set_num_threads(1)
    return trained_resnet8(kmnist(KNOWN).train, len(KNOWN), epochs=3)


def quantised(module: torch.nn.Module, target: str, **options: object) -> Compiled:
    sample, samples = torch.zeros(1, 1, 28, 28), kmnist(KNOWN).train.inputs
    return gradlet.compile(
        module, sample, quantize="int8{samples=100}", calibration=samples, target=target, name="resnet8", **options
    )


def test_int8_costs_less_than_a_point(module):
    data = kmnist(KNOWN).test
    made = quantised(module, "x86_64", scheme="none")
    exact = accuracy_of(module, data)
    assert exact > 0.9
    session = made.open()
    assert abs(accuracy(session, made.program, data) - exact) < 0.01
    session.close()
    assert not made.report["quantization"]["in_float"]


def test_held_back_classes_are_learnt_on_the_device(module):
    """The steps run on the device; what they have learnt is evaluated by the same kernels on this machine."""
    both = kmnist(NEW)
    data, tested = (Split(s.inputs, s.targets - NEW[0]) for s in (both.train, both.test))
    chosen = np.random.default_rng(0).permutation(len(data))[:150]
    host = quantised(module, "x86_64", classes=len(NEW), scheme="last_2", gradients="int8")
    session = host.open()
    before = accuracy(session, host.program, tested)
    device = gradlet.compile(host.program, target="stm32f746")
    trained = device.open()
    train(trained, device.program, data[chosen], STEPS)
    learnt = trained.states()
    trained.close()
    session.set_states({name: learnt[name] for name in changeable(host)})
    after = accuracy(session, host.program, tested)
    session.close()
    assert before < 0.6 and after > 0.75


def changeable(made: Compiled) -> list[str]:

    return [v.name for v in written_states(made.program.graph)]
