"""Names for the tensors of a model: TensorFlow's are paths with much besides."""

from __future__ import annotations

import re

from gradlet.frontends.tflite.model import Tensor

_MAX_LENGTH = 60
_SIGNATURE = re.compile(r"^serving_default_|:\d+$")


def identifier(name: str, otherwise: str) -> str:
    """Letters, digits and `_`."""
    return re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")[:_MAX_LENGTH] or otherwise


def input_name(tensor: Tensor) -> str:
    """`image` of `serving_default_image:0`."""
    return identifier(_SIGNATURE.sub("", tensor.name), "input")


class Places:
    """A place for each tensor that an operator makes, no two the same: `net.conv1.Relu` of `net/conv1/Relu;net/...`."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, tensor: Tensor) -> str:
        first = tensor.name.split(";")[0]
        parts = [identifier(part, "") for part in _SIGNATURE.sub("", first).split("/")[-3:]]
        name = ".".join(part for part in parts if part) or f"tensor_{tensor.index}"
        number, found = 1, name
        while found in self._taken:
            number, found = number + 1, f"{name}_{number}"
        self._taken.add(found)
        return found
