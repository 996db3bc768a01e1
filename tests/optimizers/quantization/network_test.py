"""Whole networks in int8: the same numbers on every backend, steps that learn, names that stay the user's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import gradlet
from gradlet.ir.program import Program
from gradlet.optimizers.clone import clone
from gradlet.tests.optimizers.quantization.small_graphs import residual_net
from gradlet.tools.api import Compiled

SCHEMES = {
    "usual": "int8",
    "per tensor": "int8{weights=per_tensor}",
    "int8 inputs": "int8{inputs=int8}",
    "int16": "int8{activations=int16}",
    "int16 inputs": "int8{weights=per_tensor,activations=int16,inputs=int16}",
    "float head": "int8{head=float32}",
}


def program() -> Program:
    builder, y = residual_net()
    y.name = "logits"
    builder.graph.outputs = [y]
    return Program(builder.graph)


def samples(count: int = 16, seed: int = 0) -> np.ndarray:
    """Four kinds of texture, which the labels `k % 4` are about."""
    rng = np.random.default_rng(seed)
    kinds = np.stack([np.roll(np.indices((8, 8)).sum(0)[..., None] % m, k, 0) for k, m in enumerate((2, 3, 4, 5))])
    noise = rng.normal(0, 0.3, (count, 8, 8, 3))
    return (kinds[np.arange(count) % 4] / 2 - 0.5 + noise).astype(np.float32)


def compiled(method: str, backend: str, **options: object) -> Compiled:
    chosen = {"target": "x86_64", "scheme": "full", "calibration": samples(), **options}
    return gradlet.compile(program(), quantize=method, backend=backend, **chosen)


@pytest.mark.parametrize("name", SCHEMES)
def test_backends_agree_bit_by_bit(name):
    """Predictions, and states after steps whose gradients are integers."""
    predictions, learnt = [], []
    for backend in ("reference", "tinyengine", "tvm"):
        made = compiled(SCHEMES[name], backend, gradients="int8")
        session = made.open()
        x = stored(made, samples(2, seed=5))
        for step in range(3):
            label = np.array([step % 5, (step + 1) % 5], np.int32)
            session.train_step({"x": x, "label": label, "lr": np.float32(0.05)})
        predictions.append(session.infer({"x": x})["logits"])
        learnt.append(session.states())
        session.close()
    for found in (1, 2):
        np.testing.assert_array_equal(predictions[0], predictions[found])
        for state in learnt[0]:
            np.testing.assert_array_equal(learnt[0][state], learnt[found][state], err_msg=state)


def stored(made: Compiled, x: np.ndarray) -> np.ndarray:
    """What the input of a program takes."""
    kind = made.program.graph.inputs[0].type
    if kind.quant is None:
        return x
    limits = np.iinfo(kind.dtype.value)
    steps = np.rint(x / np.float32(kind.quant.scale[0])) + kind.quant.zero_point[0]
    return np.clip(steps, limits.min, limits.max).astype(kind.dtype.numpy)


@pytest.mark.parametrize("name", SCHEMES)
def test_the_int8_network_is_close_to_the_float_one_and_learns(name):
    made = compiled(SCHEMES[name], "tinyengine")
    record = made.report["quantization"]
    assert record["method"] == SCHEMES[name] and record["samples"] == 16
    assert min(t["snr_db"] for t in record["tensors"]) > 20 and record["outputs"]["logits"] > 20
    session = made.open()
    x, losses = stored(made, samples(64)).reshape(-1, 2, 8, 8, 3), []
    for step in range(96):
        label = np.array([2 * step % 4, (2 * step + 1) % 4], np.int32)
        losses.append(session.train_step({"x": x[step % len(x)], "label": label, "lr": np.float32(0.05)})["loss"])
    session.close()
    assert np.mean(losses[-16:]) < 0.7 * np.mean(losses[:16])


@pytest.mark.parametrize("method", ["int8", "int8{activations=int16}"])
def test_small_logits_have_room_to_grow(method):
    """Those of a model that knows nothing: in their own range they would end a loss of 0.74 or more."""
    made = gradlet.compile(program(), quantize=method, calibration=samples(), scheme="full", target="x86_64")
    session, x, losses = made.open(), samples(64).reshape(-1, 2, 8, 8, 3), []
    for step in range(300):
        label = np.array([2 * step % 4, (2 * step + 1) % 4], np.int32)
        feed = {"x": x[step % len(x)], "label": label, "lr": np.float32(0.05)}
        losses.append(session.train_step(feed)["loss"])
    session.close()
    assert np.mean(losses[-32:]) < 0.6
    alone = gradlet.compile(program(), quantize=method, calibration=samples(), scheme="none", target="x86_64")
    scales = [m.report["quantization"]["tensors"][-1]["scale"] for m in (alone, made)]
    assert scales[0] < scales[1] < 9.7 / 255  # 8 + log(5)


class Folding(nn.Module):
    """Batch norms before an activation, which become part of int8 weights."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3, groups=8)
        self.head = nn.Linear(8 * 16, 5)
        nn.init.uniform_(self.norm.weight, 0.5, 2)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        return self.head(torch.relu(self.second(x)).flatten(1))


@pytest.fixture
def module() -> nn.Module:
    torch.manual_seed(0)
    return Folding().eval()


def of_module(module: nn.Module, **options: object) -> Compiled:
    x = torch.randn(32, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    chosen = {"target": "x86_64", "quantize": "int8", "calibration": x, **options}
    return gradlet.compile(module, torch.zeros(2, 3, 6, 6), name="net", **chosen)


def test_what_was_learnt_goes_back_into_the_module(module):
    made = of_module(module, backend="reference")
    session = made.open()
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype(np.float32)
    (before,) = session.infer({"x": x}).values()
    for _ in range(5):
        session.train_step({"x": x, "label": np.array([1, 3], np.int32), "lr": np.float32(0.1)})
    (after,) = session.infer({"x": x}).values()
    learnt = made.user_states(session)
    assert {"first.weight", "norm.bias", "second.weight", "second.bias", "head.weight", "head.bias"} == set(learnt)
    assert all(a.dtype == np.float32 for a in learnt.values())
    module.load_state_dict({k: torch.from_numpy(v) for k, v in learnt.items()}, strict=False)
    with torch.no_grad():
        found = module(torch.from_numpy(np.moveaxis(x, -1, 1).copy())).numpy()
    moved = np.abs(after - before).max()
    assert np.abs(found - after).max() < 0.15 * moved, "the module has learnt what the program has"
    made.set_user_states(session, learnt)
    session.train_step({"x": x, "label": np.array([0, 2], np.int32), "lr": np.float32(0.5)})
    made.set_user_states(session, learnt)
    (restored,) = session.infer({"x": x}).values()
    np.testing.assert_array_equal(restored, after)


def test_a_new_head_is_a_float_and_learns(module):
    made = of_module(module, backend="tinyengine", classes=3, scheme="last_1")
    head = next(n for n in made.program.infer.nodes if n.op in ("dense", "ordered_dense"))
    assert head.outputs[0].type.shape == (2, 3) and not head.outputs[0].type.quant
    assert made.report["quantization"]["in_float"] == [{"op": "dense", "place": "head", "why": "is the head"}]


def test_one_activation_has_several_users_and_outputs():
    builder, y = residual_net()
    shared = next(n.outputs[0] for n in builder.graph.nodes if n.op == "relu")
    y.name, shared.name = "logits", "features"
    builder.graph.outputs = [y, shared]
    made = gradlet.compile(
        Program(clone(builder.graph)), quantize="int8", calibration=samples(), scheme="none", target="x86_64"
    )
    session = made.open()
    found = session.infer({"x": samples(2)})
    assert found["features"].shape == shared.type.shape and found["features"].min() == 0
    session.close()


def test_islands_stay_in_float32():
    b, y = residual_net()
    y = b.dense(b("softmax", b("div", y, b.parameter("divisor", 5)), axis=-1), 4)
    y.name = "logits"
    b.graph.outputs = [y]
    chosen = {"quantize": "int8", "calibration": samples(), "scheme": "none", "target": "x86_64"}
    made = gradlet.compile(Program(b.graph), **chosen)
    assert [row["op"] for row in made.report["quantization"]["in_float"]] == ["div", "softmax"]
    last = ["dequantize", "div", "softmax", "quantize", "qdense", "dequantize"]
    assert [n.op for n in made.program.graph.nodes][-6:] == last
