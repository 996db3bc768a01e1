"""Everything in a model that cannot be imported, told at once."""

from __future__ import annotations

from gradlet.frontends.tflite.model import Model, Tensor
from gradlet.ir.errors import CompileError

_MAX_PLACES = 4
_MAX_LENGTH = 80


class UnsupportedError(Exception):
    """What a converter raises when an operator is used in a way that the IR cannot express; says which."""


class Problems:
    """What is not supported, and at which tensors."""

    def __init__(self) -> None:
        self._places: dict[str, list[str]] = {}

    def add(self, what: str, place: str) -> None:
        self._places.setdefault(what, []).append(place)

    def check(self) -> None:
        """Raises GL105 if there is any."""
        if not self._places:
            return
        lines = [f"{what} at {_listed(places)}" for what, places in self._places.items()]
        first = next(iter(self._places.values()))[0]
        hint = "replace them before the conversion, or bring a converter in a plugin (`Plugin.converters`)"
        raise CompileError("GL105", "\n  ".join(["not supported:", *lines]), first, hint)

    def check_model(self, model: Model, wanted: set[int]) -> None:
        """Adds what is wrong with the model as a whole, and with the tensors of these numbers."""
        if model.subgraphs > 1:
            self.add(f"{model.subgraphs - 1} subgraphs besides the first", str(model.outputs[0]))
        made = [tensor for operator in model.operators for tensor in operator.outputs if tensor.index in wanted]
        for tensor in model.inputs:
            self._check_tensor(tensor)
            if any(axis > 0 for axis in tensor.open_axes):
                self.add("sizes that are open, besides the batch", str(tensor))
        for tensor in made:
            self._check_tensor(tensor)

    def _check_tensor(self, tensor: Tensor) -> None:
        if tensor.dtype is None:
            self.add(f"elements of type {tensor.type_name}", str(tensor))
        if tensor.special:
            self.add(f"a tensor that is {tensor.special}", str(tensor))


def _listed(places: list[str]) -> str:
    more = len(places) - _MAX_PLACES
    cut = [place if len(place) <= _MAX_LENGTH else f"{place[:_MAX_LENGTH]}..." for place in places[:_MAX_PLACES]]
    return ", ".join(cut) + (f" and {more} more" if more > 0 else "")
