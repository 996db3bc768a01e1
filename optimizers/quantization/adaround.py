"""AdaRound: rounds each weight up or down as suits the output of its layer, not the weight alone.

M. Nagel et al., Up or Down? Adaptive Rounding for Post-Training Quantization (ICML 2020), equations 21 to 25. The error
of a layer's output is a quadratic form of the weights of each output channel, so nothing of the samples is needed but
their Gram matrix: a step costs the same for any number of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Attrs
from gradlet.ir.windows import Window

# The sigmoid is stretched to this interval and cut off at 0 and 1, which it reaches.
_LOW, _HIGH = -0.1, 1.1
_LARGEST = 127


@dataclass(frozen=True)
class AdaRound:
    """How rounding is learned.

    Attributes:
        steps: Of gradient descent (Adam).
        lr: Its learning rate.
        regularization: Weight of what drives each variable to 0 or 1, against the error in units of that of rounding to
            the nearest, times the weights of a channel.
        warmup: Part of the steps without it.
        columns: Places of the output that count, drawn from all: they bound time and memory.
        seed: Of that draw.
    """

    steps: int = 1000
    lr: float = 0.03
    regularization: float = 10.0
    warmup: float = 0.2
    columns: int = 2048
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "columns"):
            if getattr(self, name) < 1:
                raise CompileError("GL212", f"adaround: {name}={getattr(self, name)}", hint="give 1 or more")
        if not (0 <= self.warmup < 1 and self.lr > 0 and self.regularization >= 0):
            what = f"adaround: warmup={self.warmup}, lr={self.lr}, regularization={self.regularization}"
            raise CompileError("GL212", what, hint="warmup is below 1, lr above 0, neither of the others negative")

    def places(self, count: int) -> np.ndarray:
        """Of `count` places of the output those that count, ascending."""
        return np.sort(np.random.default_rng(self.seed).permutation(count)[: self.columns])

    def round(self, rows: np.ndarray, columns: np.ndarray, target: np.ndarray | None = None) -> np.ndarray:
        """Integers within +-127, none further than 1 from its weight unless that lies beyond them.

        The error of no channel is larger than that of rounding to the nearest.

        Args:
            rows: float[G, O, K], weights in units of their scale.
            columns: float[G, P, K], what the quantised layer sees.
            target: float[G, P, O], what the sums are to be, in the same units; the weights' own by default.
        """
        wanted = columns @ rows.transpose(0, 2, 1) if target is None else target
        floor = np.clip(np.floor(rows), -_LARGEST, _LARGEST - 1).astype(np.float32)
        nearest = np.clip(np.rint(rows), -_LARGEST, _LARGEST).astype(np.float32)
        usual = squared_error(nearest, columns, wanted)
        problem = Problem.of(floor, columns, wanted, np.where(usual > 0, usual, 1), self.regularization)
        up = self._descend(problem, np.clip(rows - floor, 0, 1).astype(np.float32))
        learned = floor + (up >= 0.5)
        better = squared_error(learned, columns, wanted) < usual
        integers: np.ndarray = np.where(better[:, :, None], learned, nearest).astype(np.int8)
        return integers

    def _descend(self, problem: Problem, start: np.ndarray) -> np.ndarray:
        """How far each weight is to be rounded up, 0 to 1, after Adam's steps."""
        v = logit(start)
        mean, square = np.zeros_like(v), np.zeros_like(v)
        first = self.warmup * self.steps
        for step in range(self.steps):
            left = 1 - max(0.0, step - first) / (self.steps - first)
            beta = 2 + 18 * left  # annealed from 20 to 2
            _, gradient = problem.loss(v, beta, 0.0 if step < first else 1.0)
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient**2 - square)
            unbiased = mean / (1 - 0.9 ** (step + 1))
            v -= self.lr * unbiased / (np.sqrt(square / (1 - 0.999 ** (step + 1))) + 1e-8)
        return rectified_sigmoid(v)


@dataclass(frozen=True)
class Problem:
    """What is minimised over v[G, O, K], whose rectified sigmoid h is added to weights that are rounded down.

    With columns X and what is missing to the sums wanted, R, the error of a channel is h XᵀX h - 2 RᵀX h, but for a
    constant.

    Attributes:
        gram: float[G, K, K], XᵀX.
        missing: float[G, O, K], RᵀX.
        unit: float[G, O, 1], squared error that counts as one for each weight of a channel.
        regularization: As of AdaRound.
    """

    gram: np.ndarray
    missing: np.ndarray
    unit: np.ndarray
    regularization: float

    @staticmethod
    def of(
        floor: np.ndarray, columns: np.ndarray, wanted: np.ndarray, unit: np.ndarray, regularization: float
    ) -> Problem:
        """In the type of `floor`, float[G, O, K]; the others as in `squared_error`, whose result `unit` is like."""
        transposed = columns.transpose(0, 2, 1)
        residual = wanted - columns @ floor.transpose(0, 2, 1)
        gram, missing = transposed @ columns, (transposed @ residual).transpose(0, 2, 1)
        kind = floor.dtype
        return Problem(gram.astype(kind), missing.astype(kind), unit[:, :, None].astype(kind), regularization)

    def loss(self, v: np.ndarray, beta: float, share: float = 1.0) -> tuple[float, np.ndarray]:
        """(error + share * regularization * sum(1 - |2h - 1|^beta), its gradient); the error without its constant."""
        s = 1 / (1 + np.exp(-v))
        stretched = (_HIGH - _LOW) * s + _LOW
        h = np.clip(stretched, 0, 1)
        factor, product = v.shape[-1] / self.unit, h @ self.gram
        side = 2 * h - 1
        power = np.abs(side) ** (beta - 1)
        weight = share * self.regularization
        loss = np.sum(factor * h * (product - 2 * self.missing)) + weight * np.sum(1 - power * np.abs(side))
        slope = 2 * factor * (product - self.missing) - 2 * weight * beta * power * np.sign(side)
        return float(loss), slope * np.where(h == stretched, (_HIGH - _LOW) * s * (1 - s), 0)


def rectified_sigmoid(v: np.ndarray) -> np.ndarray:
    clipped: np.ndarray = np.clip((_HIGH - _LOW) / (1 + np.exp(-v)) + _LOW, 0, 1)
    return clipped


def logit(h: np.ndarray) -> np.ndarray:
    """The v of which h, 0 to 1, is the rectified sigmoid."""
    return -np.log((_HIGH - _LOW) / (h - _LOW) - 1)


def squared_error(rows: np.ndarray, columns: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """float[G, O]: over all columns float[G, P, K], of the sums of rows float[G, O, K] against float[G, P, O]."""
    error: np.ndarray = np.square(columns @ rows.transpose(0, 2, 1) - wanted).sum(axis=1)
    return error


def rows_of(op: str, w: np.ndarray, attrs: Attrs, channels: int) -> np.ndarray:
    """Weights as [groups, output channels of a group, taps and input channels of a group].

    Args:
        op: conv2d, depthwise_conv2d or dense.
        w: OHWI, HWC or [O, K].
        attrs: Of the node.
        channels: Of its input.
    """
    if op == "depthwise_conv2d":
        return w.reshape(-1, channels, w.shape[2] // channels).transpose(1, 2, 0)
    groups = attrs.get("groups", 1)
    return w.reshape(groups, w.shape[0] // groups, -1)


def from_rows(op: str, rows: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The weights of this shape that `rows_of` was given."""
    ordered = rows.transpose(2, 0, 1) if op == "depthwise_conv2d" else rows
    return ordered.reshape(shape)


def columns_of(op: str, x: np.ndarray, kernel: Sequence[int], attrs: Attrs, places: np.ndarray) -> np.ndarray:
    """float[G, P, K]: what the weights of `rows_of` meet at these places of the output, as `sums_of`; padding is 0.

    Args:
        op: conv2d, depthwise_conv2d or dense.
        x: NHWC images, or [..., K].
        kernel: (KH, KW), unless dense.
        attrs: Of the node.
        places: int[P], ascending: places of the output, all axes but the last as one.
    """
    if op == "dense":
        return x.reshape(1, -1, x.shape[-1]).take(places, 1)
    window = Window.of(attrs, tuple(kernel))
    size = math.prod(window.output_size(x.shape))
    image, place = np.divmod(places, size)
    # Image by image: all windows of all images would be taps times the memory of the images.
    parts = [window.gather(x[k : k + 1]).reshape(size, window.taps, -1)[place[image == k]] for k in np.unique(image)]
    taken = np.concatenate(parts)
    groups = x.shape[3] if op == "depthwise_conv2d" else attrs.get("groups", 1)
    return taken.reshape(len(taken), window.taps, groups, -1).transpose(2, 0, 1, 3).reshape(groups, len(taken), -1)


def sums_of(y: np.ndarray, groups: int, places: np.ndarray) -> np.ndarray:
    """float[G, P, O]: the output at these places."""
    taken: np.ndarray = y.reshape(-1, groups, y.shape[-1] // groups)[places]
    return taken.transpose(1, 0, 2)
