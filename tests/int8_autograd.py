"""The graphs of int8_models in PyTorch, double precision: autograd's gradients, right or with a published defect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gradlet.ir.graph import Graph, Node
from gradlet.ir.ops.resize import RESIZE
from gradlet.tests.int8_witness import StraightThrough, clamped

# What the published compiler and kernels do instead: see tests/equivalence/published_defects_test.py.
DEFECTS = ("skip_dropped", "zero_point_forgotten", "truncated", "logits_unscaled")


def logits_and_gradients(
    graph: Graph, x: np.ndarray, label: np.ndarray, states: Mapping[str, np.ndarray] | None = None, defect: str = ""
) -> tuple[np.ndarray, float, dict[str, np.ndarray]]:
    """Logits, mean cross entropy, and the gradient of every trainable state, integers being numbers like others.

    Args:
        graph: Made by Int8Builder, weights in one part.
        x: Integers NHWC.
        label: Classes.
        states: Those that are not as in the graph.
        defect: One of DEFECTS.
    """
    content = {s.name: s.init for s in graph.states} | dict(states or {})
    leaves = {s.name: torch.from_numpy(content[s.name].astype(np.float64)) for s in graph.states}
    learning = [s.name for s in graph.states if s.trainable]
    for name in learning:
        leaves[name].requires_grad_()
    known: dict[str, Tensor] = {**leaves, "x": torch.from_numpy(x.astype(np.float64))}
    for node in graph.nodes:
        known[node.outputs[0].name] = _OPS[node.op](node, *(known[v.name] for v in node.inputs), defect=defect)
    logits = known[graph.outputs[0].name]
    if defect == "logits_unscaled":
        logits = logits / 0.01
    loss = functional.cross_entropy(logits, torch.from_numpy(label.astype(np.int64)))
    found = torch.autograd.grad(loss, [leaves[name] for name in learning])
    return logits.detach().numpy(), loss.item(), {n: g.numpy() for n, g in zip(learning, found, strict=True)}


def _rounded(real: Tensor, exact: Tensor, defect: str) -> Tensor:
    whole = exact.trunc() if defect == "truncated" else exact.round()
    return StraightThrough.apply(real, whole)


class _WithoutZeroPoint(torch.autograd.Function):
    """x - zero, of which the weight gradient sees x alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, zero: float, stride: int, groups: int) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.rest = zero, stride, groups
        return functional.conv2d(x - zero, w, None, stride, w.shape[-1] // 2, groups=groups)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, w = ctx.saved_tensors
        _, stride, groups = ctx.rest
        shape = {"stride": stride, "padding": w.shape[-1] // 2, "groups": groups}
        dx = torch.nn.grad.conv2d_input(list(x.shape), w, g, **shape)
        return dx, torch.nn.grad.conv2d_weight(x, list(w.shape), g, **shape), None, None, None


def _convolution(node: Node, x: Tensor, w: Tensor, bias: Tensor, scale: Tensor, *, defect: str) -> Tensor:
    depthwise = node.op == "qdepthwise_conv2d"
    x, w = x.permute(0, 3, 1, 2), w.permute(2, 0, 1)[:, None] if depthwise else w.permute(0, 3, 1, 2)
    stride, groups, zero = node.attrs["strides"][0], w.shape[0] if depthwise else 1, node.attrs["x_zero"]
    if defect == "zero_point_forgotten":
        acc = _WithoutZeroPoint.apply(x, w, zero, stride, groups)
    else:
        acc = functional.conv2d(x - zero, w, None, stride, w.shape[-1] // 2, groups=groups)
    total = (acc.permute(0, 2, 3, 1) + bias).contiguous()
    exact = (total.detach().float() * scale.float()).double()
    return clamped(_rounded(total * scale, exact, defect) + node.attrs["y_zero"])


def _add(node: Node, a: Tensor, b: Tensor, *, defect: str) -> Tensor:
    if defect == "skip_dropped":
        b = b.detach()  # the skip input: written over, never added
    s, z = ([node.attrs[f"{v}_{kind}"] for v in ("x1", "x2", "y")] for kind in ("scale", "zero"))
    real = (a - z[0]) * (s[0] / s[2]) + (b - z[1]) * (s[1] / s[2])
    first, second = (torch.tensor(f / s[2], dtype=torch.float32) for f in s[:2])
    exact = ((a - z[0]).float() * first + (b - z[1]).float() * second).double()
    return clamped(_rounded(real, exact, defect) + z[2])


def _pool(node: Node, x: Tensor, *, defect: str) -> Tensor:
    mean = x.mean(dim=(1, 2), keepdim=True)
    return _rounded(mean, mean, defect)


def _max_pool(node: Node, x: Tensor, *, defect: str) -> Tensor:
    top, left, bottom, right = node.attrs["padding"]
    padded = functional.pad(x.permute(0, 3, 1, 2), (left, right, top, bottom), value=-torch.inf)
    return functional.max_pool2d(padded, node.attrs["kernel"], node.attrs["strides"]).permute(0, 2, 3, 1)


def _padded(node: Node, x: Tensor, *, defect: str) -> Tensor:
    amounts = zip(reversed(node.attrs["before"]), reversed(node.attrs["after"]), strict=True)
    return functional.pad(x, [n for pair in amounts for n in pair], value=node.attrs["value"])


def _resize(node: Node, x: Tensor, *, defect: str) -> Tensor:
    (exact,) = RESIZE.evaluate([x.detach().numpy().astype(np.int8)], node.attrs)
    real = functional.interpolate(x.permute(0, 3, 1, 2), node.attrs["size"], mode=node.attrs["mode"])
    return StraightThrough.apply(real.permute(0, 2, 3, 1), torch.from_numpy(exact.astype(np.float64)))


_OPS = {
    "qconv2d": _convolution,
    "qdepthwise_conv2d": _convolution,
    "qadd": _add,
    "qavg_pool2d": _pool,
    "reshape": lambda node, x, defect: x.reshape(node.attrs["shape"]),
    "max_pool2d": _max_pool,
    "pad": _padded,
    "resize": _resize,
    "gather": lambda node, x, indices, defect: x.index_select(node.attrs["axis"], indices.long()),
    "dequantize": lambda node, x, defect: (x - node.attrs["zero_point"]) * node.attrs["scale"],
    "dense": lambda node, x, w, defect: x @ w.T,
    "bias_add": lambda node, x, b, defect: x + b,
}
