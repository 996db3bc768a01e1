"""A small int8 network in the format of the MCUNet checkpoints, dead channels included; its numbers are drawn."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

RESOLUTION, CLASSES = 16, 5
# (place, channels in, channels out, kernel, stride, groups); block 2 adds its input.
_LAYERS = (
    ("first_conv", 3, 8, 3, 2, 1),
    ("0.depthwise", 8, 8, 3, 1, 8),
    ("0.pointwise2", 8, 8, 1, 1, 1),
    ("1.pointwise1", 8, 24, 1, 1, 1),
    ("1.depthwise", 24, 24, 5, 2, 24),
    ("1.pointwise2", 24, 16, 1, 1, 1),
    ("2.pointwise1", 16, 32, 1, 1, 1),
    ("2.depthwise", 32, 32, 7, 1, 32),
    ("2.pointwise2", 32, 16, 1, 1, 1),
    ("classifier", 16, CLASSES, 1, 1, 1),
)
DEAD_SCALE = np.float32(4e-9)
# (place, channel, bias): their outputs are constant.
DEAD = (("first_conv", 2, -(2**31)), ("2.pointwise1", 5, 2**31 - 1), ("2.depthwise", 5, -(2**31)))
CONVOLUTIONS = len(_LAYERS) - 1


def checkpoint(seed: int = 0) -> dict[str, Any]:
    """What the pickle of a checkpoint holds."""
    rng = np.random.default_rng(seed)
    x, layers = (1 / 127.5, 0), {}
    for place, *sizes in _LAYERS:
        y = (float(rng.uniform(0.02, 0.1)), -128 if place.endswith(("1", "se", "conv")) else int(rng.integers(-40, 40)))
        layers[place] = _layer(place, sizes, x, y, rng)
        x = y
        if place == "2.pointwise2":
            x = (float(rng.uniform(0.05, 0.1)), int(rng.integers(-20, 20)))
            residual = _residual(_read(layers["2.pointwise1"]), x)
    kinds = ("pointwise1", "depthwise", "pointwise2")
    blocks = [{kind: layers.get(f"{b}.{kind}") for kind in kinds} | {"residual": None, "se": None} for b in range(3)]
    blocks[2]["residual"] = residual
    return {
        "first_conv": layers["first_conv"],
        "blocks": blocks,
        "feature_mix": None,
        "classifier": layers["classifier"],
    }


def _layer(place: str, sizes: Sequence[int], x: tuple, y: tuple, rng: np.random.Generator) -> dict[str, Any]:
    inputs, outputs, kernel, stride, groups = sizes
    weight = rng.integers(-127, 128, (outputs, inputs // groups, kernel, kernel)).astype(np.int8)
    # So that sums, which spread like the root of their number of terms, fill the range of the output.
    spread = 60 * 60 * np.sqrt(weight[0].size)
    scales = (rng.uniform(30, 60, outputs) / spread * y[0] / x[0]).astype(np.float32)
    bias = rng.normal(spread / 3, spread, outputs).astype(np.int32)
    for dead, channel, extreme in DEAD:
        if dead == place:
            scales[channel], bias[channel] = DEAD_SCALE, extreme
    quant = {"x_scale": x[0], "x_zero": x[1], "y_scale": y[0], "y_zero": y[1]}
    shape = {"in_channel": inputs, "out_channel": outputs, "kernel_size": (kernel, kernel), "stride": stride}
    shape |= {"groups": groups, "in_shape": RESOLUTION}
    return shape | {"params": {"weight": weight, "bias": bias, **quant, "w_scales": scales}}


def _read(layer: dict[str, Any]) -> tuple[float, int]:
    return layer["params"]["x_scale"], layer["params"]["x_zero"]


def _residual(x: tuple[float, int], y: tuple[float, int]) -> dict[str, Any]:
    return {"params": {"x_scale": x[0], "x_zero": x[1], "y_scale": y[0], "y_zero": y[1]}}


def pickled(content: Any, protocol: int = 2) -> bytes:
    """As torch.save pickles; with the name that numpy gave its function before version 2."""
    return pickle.dumps(content, protocol).replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def zipped(data: bytes) -> bytes:
    """As torch.save packs a pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", "3\n")
    return file.getvalue()
