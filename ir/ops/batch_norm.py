"""batch_norm over all axes but the last: with given statistics, and with those of the batch while training."""

import math
from collections.abc import Sequence

import numpy as np

from gradlet.ir.bias import bias_gradient
from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.tensor_type import TensorType, f32


def _check_channels(x: TensorType, per_channel: Sequence[TensorType]) -> None:
    if len(x.shape) < 2:
        raise ValueError(f"{x} needs two axes or more: a batch and channels")
    for t in per_channel:
        if t.shape != x.shape[-1:]:
            raise ValueError(f"{t} does not match the {x.shape[-1]} channels of {x}")


def _number(attrs: Attrs, name: str) -> float:
    value = attrs.get(name)
    if not isinstance(value, (int, float)) or not value >= 0:
        raise ValueError(f"{name} is {value}, not a number of at least 0")
    return value


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 5)
    x, *per_channel = types
    _check_channels(x, per_channel)
    _number(attrs, "eps")
    return [x]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    x, gamma, beta, mean, var = args
    scale = gamma / np.sqrt(var + attrs["eps"])
    return [(x - mean) * scale + beta]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    """Of x, gamma and beta; the statistics are taken as constants."""
    (g,), (x, gamma, _, mean, var) = grads, node.inputs
    assert g is not None
    eps = emit("full", shape=(), value=node.attrs["eps"], dtype=var.type.dtype.value)
    deviation = emit("sqrt", emit("add", var, eps))
    dx = emit("mul", g, emit("div", gamma, deviation))
    dgamma = emit("div", bias_gradient(emit, emit("mul", g, emit("sub", x, mean))), deviation)
    return [dx, dgamma, bias_gradient(emit, g), None, None]


def _sample(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """Draws a positive variance."""
    drawn = [rng.normal(size=t.shape).astype(np.float32) for t in types]
    return [*drawn[:-1], rng.uniform(0.5, 2, size=types[-1].shape).astype(np.float32)]


def _count(x: TensorType) -> int:
    return math.prod(x.shape[:-1])


def _infer_train(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 5)
    x, *per_channel = types
    _check_channels(x, per_channel)
    if _count(x) < 2:
        raise ValueError(f"{x} has one value a channel: its variance needs two or more")
    _number(attrs, "eps")
    _number(attrs, "momentum")
    statistic = TensorType(x.dtype, x.shape[-1:])
    return [x, statistic, statistic, *per_channel[2:]]


def _evaluate_train(args: Arrays, attrs: Attrs) -> Results:
    x, gamma, beta, running_mean, running_var = args
    axes, count = tuple(range(x.ndim - 1)), x[..., 0].size
    # numpy adds up along these axes one by one: in float32 that loses digits which PyTorch keeps.
    mean, var = (f(axis=axes, dtype=np.float64).astype(x.dtype) for f in (x.mean, x.var))
    rstd = 1 / np.sqrt(var + attrs["eps"])
    m = attrs["momentum"]
    # As PyTorch: the running variance is the unbiased one, the batch is normalised by the biased.
    new_mean = (1 - m) * running_mean + m * mean
    new_var = (1 - m) * running_var + m * var * (count / (count - 1))
    return [(x - mean) * (rstd * gamma) + beta, mean, rstd, new_mean, new_var]


def _gradient_train(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    """Through y alone; the statistics leave the step, nothing differentiates them."""
    x, gamma, *_ = node.inputs
    if grads[0] is None:
        return [None] * 5
    dx, dgamma, dbeta = emit.node("batch_norm_train_grad", grads[0], x, gamma, *node.outputs[1:3]).outputs
    return [dx, dgamma, dbeta, None, None]


def _inference(emit: Emit, node: Node) -> list[Value | None]:
    return [emit("batch_norm", *node.inputs, eps=node.attrs["eps"]), None, None, None, None]


def _infer_train_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 5)
    g, x, *per_channel = types
    if g.shape != x.shape:
        raise ValueError(f"gradient {g} and input {x} differ in shape")
    _check_channels(x, per_channel)
    return [g, TensorType(g.dtype, x.shape[-1:]), TensorType(g.dtype, x.shape[-1:])]


def _evaluate_train_grad(args: Arrays, attrs: Attrs) -> Results:
    g, x, gamma, mean, rstd = args
    axes, count = tuple(range(x.ndim - 1)), x[..., 0].size
    normalised = (x - mean) * rstd
    dbeta, dgamma = g.sum(axis=axes), (g * normalised).sum(axis=axes)
    dx = (gamma * rstd) * (g - dbeta / count - normalised * (dgamma / count))
    return [dx, dgamma, dbeta]


BATCH_NORM = OpDef(
    name="batch_norm",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    macs=lambda node: node.outputs[0].type.size,
    may_overwrite={0: (0,)},
    examples=[
        Example([f32(2, 3, 2, 5), *[f32(5)] * 4], {"eps": 1e-5}, sample=_sample, differentiable=(0, 1, 2)),
        Example([f32(4, 3), *[f32(3)] * 4], {"eps": 0.1}, sample=_sample, differentiable=(0, 1, 2)),
    ],
)

BATCH_NORM_TRAIN = OpDef(
    name="batch_norm_train",
    infer=_infer_train,
    evaluate=_evaluate_train,
    gradient=_gradient_train,
    # Mean, variance and normalisation.
    macs=lambda node: 3 * node.outputs[0].type.size,
    writes={3: 3, 4: 4},
    may_overwrite={0: (0,)},
    inference=_inference,
    examples=[
        Example([f32(2, 3, 2, 5), *[f32(5)] * 4], {"eps": 1e-5, "momentum": 0.1}, _sample, differentiable=(0, 1, 2)),
        Example([f32(6, 3), *[f32(3)] * 4], {"eps": 0.1, "momentum": 0.7}, _sample, differentiable=(0, 1, 2)),
    ],
)

BATCH_NORM_TRAIN_GRAD = OpDef(
    name="batch_norm_train_grad",
    infer=_infer_train_grad,
    evaluate=_evaluate_train_grad,
    # The sums of g and of g times the normalised input, then both for each element.
    macs=lambda node: 4 * node.outputs[0].type.size,
    may_overwrite={0: (0, 1)},
    examples=[
        Example([f32(2, 3, 2, 5), f32(2, 3, 2, 5), *[f32(5)] * 3], sample=_sample),
        Example([f32(6, 3), f32(6, 3), *[f32(3)] * 3], sample=_sample),
    ],
)

OPS = (BATCH_NORM, BATCH_NORM_TRAIN, BATCH_NORM_TRAIN_GRAD)
