"""What the metadata of a program say of its inputs and outputs, as comments for the header."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

_WIDTH = 96
_MOST_CLASSES = 20
_LONGEST_CLASS = 40


def of_input(metadata: Mapping[str, str], name: str) -> list[str]:
    """How pixels are normalised."""
    mean, std = (metadata.get(f"input.{name}.{key}", "") for key in ("mean", "std"))
    return _wrapped(f"Of pixels p from 0 to 255: (p - mean) / std, mean {mean}, std {std}.") if mean and std else []


def of_output(metadata: Mapping[str, str], name: str) -> list[str]:
    """What the classes are called."""
    labels = [label for label in metadata.get(f"output.{name}.labels", "").split("\n") if label]
    told = ", ".join(textwrap.shorten(label, _LONGEST_CLASS, placeholder="...") for label in labels[:_MOST_CLASSES])
    more = len(labels) - _MOST_CLASSES
    return _wrapped(f"Classes: {told}" + (f", and {more} more." if more > 0 else ".")) if labels else []


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH)
