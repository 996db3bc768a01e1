"""The pretrained networks and real images, where they are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

DATA = Path(os.environ.get("GRADLET_DATA", "../shared/data"))


@dataclass(frozen=True)
class Published:
    """Facts about a checkpoint.

    Attributes:
        convolutions: How many it has without the classifier.
        constant: Channels whose output never changes.
        tiny: Those of them with a weight scale below 1e-8.
    """

    convolutions: int
    constant: int
    tiny: int


NETWORKS = {
    "mcunet-5fps": Published(42, 64, 57),
    "mbv2-w0.35": Published(51, 32, 0),
    "proxyless-w0.3": Published(60, 35, 30),
}


def path_of(name: str) -> Path:
    return _existing(DATA / "models" / f"{name}.pkl")


def photographs(count: int, side: int) -> np.ndarray:
    """int8 NHWC, -128 is black."""
    with np.load(_existing(DATA / "images" / "cifar10_5k2k.npz")) as data:
        images = data["x_test"][:count]
    nearest = np.arange(side) * images.shape[1] // side
    enlarged = images[:, nearest][:, :, nearest].astype(np.int16)
    return (enlarged - 128).astype(np.int8)


def _existing(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path} is missing: set GRADLET_DATA")
    return path
