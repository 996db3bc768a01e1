"""The update ops over several steps against torch.optim, on regions and with accumulation."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from gradlet.ir.graph import Attrs
from gradlet.ir.op_def import OpDef
from gradlet.tests.ops.cases import TOOLBOX

STEPS, RATE = 7, 0.05


def op(name: str) -> OpDef:
    return TOOLBOX.ops[name]


def gradients(shape: tuple[int, ...]) -> list[np.ndarray]:
    return list(np.random.default_rng(3).normal(size=(STEPS, *shape)))


def sgd(w: np.ndarray, moments: list[np.ndarray], g: np.ndarray, step: int, attrs: Attrs) -> list[np.ndarray]:
    return list(op("sgd").evaluate([w, g, np.array(RATE)], attrs))


def momentum(w: np.ndarray, moments: list[np.ndarray], g: np.ndarray, step: int, attrs: Attrs) -> list[np.ndarray]:
    return list(op("momentum").evaluate([w, g, moments[0], np.array(RATE)], attrs))


def adam(w: np.ndarray, moments: list[np.ndarray], g: np.ndarray, step: int, attrs: Attrs) -> list[np.ndarray]:
    return list(op("adam").evaluate([w, g, *moments, np.array(step, np.int32), np.array(RATE)], attrs))


BETAS = {"beta1": 0.9, "beta2": 0.99, "eps": 1e-8}
RULES = {
    "sgd": (sgd, {}, "SGD", {}),
    "sgd with decay": (sgd, {"weight_decay": 0.1}, "SGD", {"weight_decay": 0.1}),
    "momentum": (momentum, {"momentum": 0.9}, "SGD", {"momentum": 0.9}),
    "nesterov": (
        momentum,
        {"momentum": 0.8, "nesterov": True, "weight_decay": 0.1},
        "SGD",
        {"momentum": 0.8, "nesterov": True, "weight_decay": 0.1},
    ),
    "adam": (adam, BETAS, "Adam", {"betas": (0.9, 0.99)}),
    "adam with decay": (adam, {**BETAS, "weight_decay": 0.1}, "Adam", {"betas": (0.9, 0.99), "weight_decay": 0.1}),
    "adamw": (
        adam,
        {**BETAS, "weight_decay": 0.1, "decoupled": True},
        "AdamW",
        {"betas": (0.9, 0.99), "weight_decay": 0.1},
    ),
}


def trained(update: Callable[..., list[np.ndarray]], attrs: Attrs, start: np.ndarray, part: tuple[int, ...]):
    w, moments = start, [np.zeros(part), np.zeros(part)]
    for step, g in enumerate(gradients(part), 1):
        w, *moments = update(w, moments, g, step, attrs)
    return w


@pytest.mark.parametrize(("update", "attrs", "name", "options"), RULES.values(), ids=RULES.keys())
def test_rule_is_that_of_torch(
    update: Callable[..., list[np.ndarray]], attrs: Attrs, name: str, options: Mapping[str, Any]
):
    torch = pytest.importorskip("torch")
    start = np.random.default_rng(4).normal(size=(3, 4))
    w = torch.tensor(start, requires_grad=True)
    optimizer = getattr(torch.optim, name)([w], lr=RATE, **options)
    for g in gradients(start.shape):
        w.grad = torch.tensor(g)
        optimizer.step()
    np.testing.assert_allclose(trained(update, attrs, start, start.shape), w.detach().numpy(), rtol=1e-10)


@pytest.mark.parametrize(("update", "attrs", "name", "options"), RULES.values(), ids=RULES.keys())
def test_region_learns_as_if_alone(
    update: Callable[..., list[np.ndarray]], attrs: Attrs, name: str, options: Mapping[str, Any]
):
    start = np.random.default_rng(5).normal(size=(3, 8))
    region = {"axis": 1, "begin": 2, "end": 6}
    w = trained(update, {**attrs, **region}, start, (3, 4))
    np.testing.assert_array_equal(w[:, 2:6], trained(update, attrs, start[:, 2:6], (3, 4)))
    np.testing.assert_array_equal(np.delete(w, range(2, 6), axis=1), np.delete(start, range(2, 6), axis=1))


@pytest.mark.parametrize(("update", "attrs", "name", "options"), RULES.values(), ids=RULES.keys())
def test_parts_that_share_moments_learn_as_the_whole(
    update: Callable[..., list[np.ndarray]], attrs: Attrs, name: str, options: Mapping[str, Any]
):
    start = np.random.default_rng(6).normal(size=(3, 8))
    w, moments = start, [np.zeros((3, 5)), np.zeros((3, 5))]
    for step, g in enumerate(gradients((3, 5)), 1):
        for begin, end in ((2, 4), (4, 7)):
            place = {"axis": 1, "begin": begin, "end": end, "moments_begin": 2}
            w, *moments = update(w, moments, g[:, begin - 2 : end - 2], step, {**attrs, **place})
    whole = {"axis": 1, "begin": 2, "end": 7}
    np.testing.assert_array_equal(w, trained(update, {**attrs, **whole}, start, (3, 5)))


def test_accumulated_parts_are_the_whole():
    parts = whole = np.full((3, 7), 99.0)
    for micro, g in enumerate(gradients((3, 7))):
        counter = np.array(micro, np.int32)
        (whole,) = op("accumulate").evaluate([whole, g, counter], {"every": 3})
        for begin, end in ((0, 4), (4, 7)):
            attrs = {"every": 3, "axis": 1, "begin": begin, "end": end}
            (parts,) = op("accumulate").evaluate([parts, g[:, begin:end], counter], attrs)
        np.testing.assert_array_equal(parts, whole)


def test_accumulated_steps_are_one_step_with_the_mean():
    every, w, a = 3, np.ones(4), np.full(4, 99.0)
    grads = gradients((4,))[:every]
    for micro, g in enumerate(grads):
        counter = np.array(micro + 2 * every, np.int32)
        (a,) = op("accumulate").evaluate([a, g, counter], {"every": every})
        (w,) = op("sgd").evaluate([w, a, np.array(RATE), counter], {"every": every})
    (expected,) = op("sgd").evaluate([np.ones(4), np.mean(grads, axis=0), np.array(RATE)], {})
    np.testing.assert_allclose(w, expected, rtol=1e-12)


def test_count_counts_finished_updates():
    done = np.array(0, np.int32)
    for micro in range(9):
        (done,) = op("count").evaluate([done, np.array(micro, np.int32)], {"every": 4})
    assert done == 2
    (done,) = op("count").evaluate([done], {})
    assert done == 3


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"axis": 1, "begin": 2, "end": 9}, r"\[2, 9\) is no part of axis 1"),
        ({"axis": 2, "begin": 0, "end": 1}, "is no part of axis 2"),
        ({"axis": 0, "begin": 0, "end": 2}, "does not fit what is updated"),
    ],
)
def test_wrong_region_is_refused(attrs: Attrs, message: str):
    from gradlet.ir.tensor_type import f32

    with pytest.raises(ValueError, match=message):
        op("sgd").infer([f32(3, 8), f32(3, 4), f32()], attrs)


@pytest.mark.parametrize(("begin", "shape"), [(3, (3, 8)), (0, (3, 3)), (0, (2, 8))])
def test_moments_that_do_not_hold_the_region_are_refused(begin: int, shape: tuple[int, ...]):
    from gradlet.ir.tensor_type import f32

    attrs = {"momentum": 0.9, "axis": 1, "begin": 2, "end": 6, "moments_begin": begin}
    with pytest.raises(ValueError, match="is no part of|does not fit gradient"):
        op("momentum").infer([f32(3, 8), f32(3, 4), f32(*shape), f32()], attrs)
