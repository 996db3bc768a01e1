"""Converts the user's arrays to the layout of the inputs and outputs of an imported program, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

_LETTERS = {3: "NCL", 4: "NCHW"}


def layout(order: Sequence[int]) -> str:
    """`NCHW->NHWC`: the axes as PyTorch has them, and as the IR has them."""
    letters = _LETTERS.get(len(order), "ABCDEFGHIJKLMNOP"[: len(order)])
    return f"{letters}->{''.join(letters[axis] for axis in order)}"


def permutation(layout: str) -> tuple[int, ...]:
    """The axes of the user's array in the order of the IR."""
    before, after = layout.split("->")
    return tuple(before.index(letter) for letter in after)


def to_ir(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Inputs as the user's module takes them -> as the program does; `metadata` is `Program.metadata`."""
    return {name: _permuted(array, metadata.get(f"input.{name}.layout")) for name, array in arrays.items()}


def to_user(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Outputs of the program -> as the user's module returns them; other arrays pass."""
    reversed_ = {name: _reversed(metadata.get(f"output.{name}.layout")) for name in arrays}
    return {name: _permuted(array, reversed_[name]) for name, array in arrays.items()}


def _reversed(layout: str | None) -> str | None:
    return layout and "->".join(reversed(layout.split("->")))


def _permuted(array: np.ndarray, layout: str | None) -> np.ndarray:
    return np.ascontiguousarray(array.transpose(permutation(layout))) if layout else array
