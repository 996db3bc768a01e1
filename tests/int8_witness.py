"""Int8 networks in double-precision PyTorch, read from their checkpoints: the outside witness of quantised gradients.

It shares no code with Gradlet. Autograd differentiates what is written here: rounding is straight-through, a clamp lets
through what it does not change, a value with two users gets both gradients, because PyTorch adds them.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

LOWEST, HIGHEST = -128, 127
Parameters = Mapping[str, Tensor]

_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        assert (module, name) in _ALLOWED, f"{module}.{name}"
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


@dataclass(frozen=True)
class Convolution:
    """Integers to integers; weights and bias are looked up under its name.

    Attributes:
        scale: x_scale * w_scale / y_scale of each output channel, single precision.
        initial: Weight OIHW and bias of the checkpoint.
    """

    name: str
    scale: Tensor
    x_zero: int
    y_zero: int
    stride: int
    groups: int
    initial: tuple[Tensor, Tensor]

    def __call__(self, x: Tensor, parameters: Parameters, smooth: bool) -> Tensor:
        weight, bias = parameters[f"{self.name}.weight"], parameters[f"{self.name}.bias"]
        padding = weight.shape[-1] // 2  # of zeros, after the zero point is taken away
        acc = functional.conv2d(x - self.x_zero, weight, None, self.stride, padding, groups=self.groups)
        total, column = acc + bias[:, None, None], self.scale[:, None, None]
        saturated = total.detach().clamp(-(2**31), 2**31 - 1)
        exact = (saturated.float() * column).round().double()
        real = total * column.double()
        return clamped((real if smooth else StraightThrough.apply(real, exact)) + self.y_zero)

    def constant(self) -> np.ndarray:
        """bool[O]: the output channels that are the same whatever the input is."""
        weight, bias = (t.numpy() for t in self.initial)
        ends = [weight.reshape(len(weight), -1) * (x - self.x_zero) for x in (LOWEST, HIGHEST)]
        sums = np.stack([np.minimum(*ends).sum(axis=1), np.maximum(*ends).sum(axis=1)]) + bias
        products = np.clip(sums, -(2**31), 2**31 - 1).astype(np.float32) * self.scale.numpy()
        low, high = np.clip(np.rint(products) + self.y_zero, LOWEST, HIGHEST)
        same: np.ndarray = low == high
        return same


@dataclass(frozen=True)
class Addition:
    """Of the skip input and the block; a ratio is operand scale / result scale, single precision."""

    ratios: tuple[float, float]
    x_zeros: tuple[int, int]
    y_zero: int

    def __call__(self, skip: Tensor, x: Tensor, smooth: bool) -> Tensor:
        terms = [(v - zero, ratio) for v, zero, ratio in zip((skip, x), self.x_zeros, self.ratios, strict=True)]
        real = sum(v * ratio for v, ratio in terms)
        single = [v.detach().float() * np.float32(ratio) for v, ratio in terms]
        exact = (single[0] + single[1]).round().double()
        return clamped((real if smooth else StraightThrough.apply(real, exact)) + self.y_zero)


@dataclass(frozen=True)
class Block:
    convolutions: tuple[Convolution, ...]
    addition: Addition | None = None


@dataclass(frozen=True)
class Network:
    """Blocks one after the other, the mean over all positions, and a float head: logits = (x - zero) * scale @ W.T + b.

    Attributes:
        scale: Of the input of the head.
        zero: Of the input of the head.
    """

    blocks: tuple[Block, ...]
    scale: float
    zero: int

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        """In the order in which schemes count them."""
        return tuple(c for block in self.blocks for c in block.convolutions)

    def initial(self) -> dict[str, Tensor]:
        pairs = [(c.name, c.initial) for c in self.convolutions]
        return {f"{n}.{kind}": t for n, pair in pairs for kind, t in zip(("weight", "bias"), pair, strict=True)}

    def logits(self, image: Tensor, parameters: Parameters, *, smooth: bool = False) -> Tensor:
        """Of integers NCHW (as float64); `smooth` leaves all rounding away."""
        x = image
        for block in self.blocks:
            skip = x
            for convolution in block.convolutions:
                x = convolution(x, parameters, smooth)
            if block.addition:
                x = block.addition(skip, x, smooth)
        mean = x.mean(dim=(2, 3))
        pooled = mean if smooth else StraightThrough.apply(mean, mean.round())
        features = (pooled - self.zero) * self.scale
        return features @ parameters["classifier.weight"].T + parameters["classifier.bias"]

    def loss(self, image: Tensor, label: Tensor, parameters: Parameters, *, smooth: bool = False) -> Tensor:
        return functional.cross_entropy(self.logits(image, parameters, smooth=smooth), label)


class StraightThrough(torch.autograd.Function):
    """The rounded value, with the gradient of the one that was rounded."""

    @staticmethod
    def forward(ctx: Any, real: Tensor, exact: Tensor) -> Tensor:
        return exact.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return gradient, None


def clamped(pre: Tensor) -> Tensor:
    """Values on the border pass, and so does their gradient."""
    inside = (pre >= LOWEST) & (pre <= HIGHEST)
    return torch.where(inside, pre, pre.detach().clamp(LOWEST, HIGHEST))


def gradients(
    network: Network,
    image: np.ndarray,
    label: np.ndarray,
    parameters: Mapping[str, np.ndarray],
    *,
    smooth: bool = False,
) -> tuple[float, dict[str, np.ndarray]]:
    """The loss, and its gradient with respect to every parameter, integers being numbers like others.

    Args:
        network: Which one.
        image: Integers NHWC.
        label: Classes.
        parameters: `classifier.weight`, `classifier.bias`, and those that are not as in the checkpoint.
        smooth: Leave all rounding away.
    """
    given = {name: torch.from_numpy(array.astype(np.float64)) for name, array in parameters.items()}
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in {**network.initial(), **given}.items()}
    x = torch.from_numpy(np.moveaxis(image, 3, 1).astype(np.float64))
    loss = network.loss(x, torch.from_numpy(label.astype(np.int64)), leaves, smooth=smooth)
    found = torch.autograd.grad(loss, list(leaves.values()))
    return loss.item(), {name: g.numpy() for name, g in zip(leaves, found, strict=True)}


def read_checkpoint(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        member = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        with archive.open(member) as file:
            content: dict[str, Any] = _Unpickler(file).load()
    return content


def network_of(path: Path) -> Network:
    content = read_checkpoint(path)
    blocks = [Block((_convolution("first_conv", content["first_conv"]),))]
    for index, block in enumerate(content["blocks"]):
        convolutions = tuple(_convolutions(f"blocks.{index}", block))
        blocks.append(Block(convolutions, _addition(block)))
    head = content["classifier"]["params"]
    return Network(tuple(blocks), float(head["x_scale"]), int(head["x_zero"]))


def _convolutions(place: str, block: Mapping[str, Any]) -> Iterator[Convolution]:
    for kind in ("pointwise1", "depthwise", "pointwise2"):
        if block[kind]:
            yield _convolution(f"{place}.{kind}", block[kind])


def _convolution(name: str, record: Mapping[str, Any]) -> Convolution:
    p = record["params"]
    scale = float(p["x_scale"]) * np.asarray(p["w_scales"], np.float64) / float(p["y_scale"])
    initial = tuple(torch.from_numpy(np.asarray(p[key]).astype(np.float64)) for key in ("weight", "bias"))
    return Convolution(
        name,
        torch.from_numpy(scale.astype(np.float32)),
        int(p["x_zero"]),
        int(p["y_zero"]),
        int(record["stride"]),
        int(record["groups"]),
        (initial[0], initial[1]),
    )


def _addition(block: Mapping[str, Any]) -> Addition | None:
    if not block["residual"]:
        return None
    skip, last = block["residual"]["params"], block["pointwise2"]["params"]
    first, second = (float(np.float32(s / skip["y_scale"])) for s in (skip["x_scale"], last["y_scale"]))
    return Addition((first, second), (int(skip["x_zero"]), int(last["y_zero"])), int(skip["y_zero"]))
