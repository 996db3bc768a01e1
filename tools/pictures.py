"""Pictures of any size and kind, as pixels of one: the only place that knows Pillow."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gradlet.ir.errors import CompileError

_MODES = {1: "L", 3: "RGB"}
# Sides of a picture to each other: a longer strip would become very large before its middle is cut out.
_LONGEST = 100


def opened(sample: Path | np.ndarray, channels: int, name: str) -> Any:
    """A file or `uint8[H, W]` or `uint8[H, W, 1 or 3]` as an image with so many channels.

    Raises:
        CompileError: GL410 if it cannot be read, GL411 if it is no picture, GL416 without Pillow.
    """
    image = _read(sample, channels) if isinstance(sample, Path) else _made(np.asarray(sample), channels, name)
    if max(image.size) > _LONGEST * min(image.size):
        what = f"{sample if isinstance(sample, Path) else name} is {image.width} wide and {image.height} high"
        raise CompileError("GL411", what, hint=f"cut it: one side may be {_LONGEST} times the other")
    return image


def _read(file: Path, channels: int) -> Any:
    pillow = _pillow()
    try:
        with pillow.open(file) as image:
            return image.convert(_MODES[channels])
    except Exception as error:  # formats have errors of their own kinds, down to struct.error and SyntaxError
        what = f"{file} cannot be read as an image: {error}"
        raise CompileError("GL410", what, where=str(file), hint="restore or remove the file") from error


def _made(array: np.ndarray, channels: int, name: str) -> Any:
    flat = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if array.dtype != np.uint8 or 0 in array.shape or not (flat.ndim == 2 or (flat.ndim == 3 and flat.shape[2] == 3)):
        what = f"{name} is {array.dtype}{list(array.shape)}, not pixels"
        raise CompileError("GL411", what, hint="give uint8[height, width] or uint8[height, width, 1 or 3]")
    return _pillow().fromarray(np.ascontiguousarray(flat)).convert(_MODES[channels])


def cropped(image: Any, size: tuple[int, int], share: float) -> np.ndarray:
    """The centre of an image, `uint8[height, width, channels]`.

    As the reference does: the image is resized (bilinear) until its short side, for a square centre, is `size / share`,
    rounded; then the middle is cut out.
    """
    wanted_height, wanted_width = size
    if wanted_height * image.width >= wanted_width * image.height:  # the height is what is short
        height = round(wanted_height / share)
        width = max(height * image.width // image.height, wanted_width)
    else:
        width = round(wanted_width / share)
        height = max(width * image.height // image.width, wanted_height)
    resized = image.resize((width, height), _pillow().Resampling.BILINEAR)
    top, left = round((height - wanted_height) / 2), round((width - wanted_width) / 2)
    resized = resized.crop((left, top, left + wanted_width, top + wanted_height))
    pixels = np.asarray(resized)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _pillow() -> ModuleType:
    try:
        from PIL import Image
    except ImportError as error:
        hint = "pip install 'gradlet[data]', or give pixels of the model's size"
        raise CompileError("GL416", f"images are read and resized by Pillow: {error}", hint=hint) from error
    return Image
