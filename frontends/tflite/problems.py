"""Everything in a model that cannot be imported, told at once, with what to do about it."""

from __future__ import annotations

from typing import Any, NoReturn

from gradlet.frontends.tflite.model import Model, Tensor
from gradlet.frontends.tflite.schema import CUSTOM
from gradlet.ir.errors import CompileError

_MAX_PLACES = 4
_MAX_LENGTH = 80

REPLACE = "replace them before the conversion, or bring a converter in a plugin (`Plugin.converters`)"
OTHER_TYPES = "convert the model in float32, or in full int8 (`Optimize.DEFAULT` with a representative dataset)"
_FIX_SIZES = "give the sizes before the conversion, as in `keras.Input((96, 96, 3))`"
_ONE_SUBGRAPH = "convert a single signature of a model without control flow"

# Operators of a kind: what they are called together, and what to do.
_KINDS = (
    (
        "IF WHILE CALL STABLEHLO_WHILE STABLEHLO_CASE",
        "control flow",
        "write loops out (`unroll=True` in Keras), and take branches before the conversion",
    ),
    (
        "VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE CALL_ONCE",
        "resource variables",
        "make the variables constants or inputs of the model",
    ),
    (
        "HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE HASHTABLE_LOOKUP LSH_PROJECTION SKIP_GRAM",
        "tables and strings",
        "look words up before the model, and feed their numbers",
    ),
    (
        "LSTM RNN SVDF UNIDIRECTIONAL_SEQUENCE_LSTM UNIDIRECTIONAL_SEQUENCE_RNN BIDIRECTIONAL_SEQUENCE_LSTM "
        "BIDIRECTIONAL_SEQUENCE_RNN",
        "recurrent layers",
        "build recurrent layers with `unroll=True`, which makes them dense layers and sums",
    ),
)
_KIND_OF = {name: (kind, hint) for names, kind, hint in _KINDS for name in names.split()}
# Element types, and an operator of the kind that has them.
_TYPES_OF = {"STRING": "HASHTABLE", "RESOURCE": "VAR_HANDLE", "VARIANT": "VAR_HANDLE"}
_FLEX = (f"{CUSTOM}:Flex", "TensorFlow's own", "convert without `SELECT_TF_OPS`, which tells what to replace")


class UnsupportedError(Exception):
    """What a converter raises when an operator is used in a way that the IR cannot express; says which.

    Attributes:
        hint: What to do; None: to replace the operator.
    """

    def __init__(self, what: str, hint: str | None = None):
        super().__init__(what)
        self.hint = hint


def unsupported(builder: Any, operator: Any) -> NoReturn:
    """The converter of operators that have none."""
    raise UnsupportedError("")


class Problems:
    """What is not supported, at which tensors, and what to do."""

    def __init__(self) -> None:
        self._places: dict[str, list[str]] = {}
        self._hints: list[str] = []

    def add(self, what: str, place: str, hint: str = REPLACE) -> None:
        self._places.setdefault(what, []).append(place)
        if hint not in self._hints:
            self._hints.append(hint)

    def add_operator(self, name: str, error: UnsupportedError, place: str) -> None:
        if str(error):
            self.add(f"{name}: {error}", place, error.hint or REPLACE)
            return
        flex, *about_flex = _FLEX
        kind, hint = about_flex if name.startswith(flex) else _KIND_OF.get(name, ("", REPLACE))
        self.add(f"{name} ({kind})" if kind else name, place, hint)

    def check(self) -> None:
        """Raises GL105 if there is any."""
        if not self._places:
            return
        lines = [f"{what} at {_listed(places)}" for what, places in self._places.items()]
        first = next(iter(self._places.values()))[0]
        raise CompileError("GL105", "\n  ".join(["not supported:", *lines]), first, "; ".join(self._hints))

    def check_model(self, model: Model, wanted: set[int]) -> None:
        """Adds what is wrong with the model as a whole, and with the tensors of these numbers."""
        if model.subgraphs > 1:
            self.add(f"{model.subgraphs - 1} subgraphs besides the first", str(model.outputs[0]), _ONE_SUBGRAPH)
        made = [tensor for operator in model.operators for tensor in operator.outputs if tensor.index in wanted]
        for tensor in model.inputs:
            self._check_tensor(tensor)
            if tensor.is_open:
                self.add("sizes that are open, besides the batch", str(tensor), _FIX_SIZES)
        for tensor in made:
            self._check_tensor(tensor)

    def _check_tensor(self, tensor: Tensor) -> None:
        if tensor.dtype is None:
            like = _TYPES_OF.get(tensor.type_name)
            hint = _KIND_OF[like][1] if like else OTHER_TYPES
            self.add(f"elements of type {tensor.type_name}", str(tensor), hint)
        if tensor.special:
            self.add(f"a tensor that is {tensor.special}", str(tensor))


def _listed(places: list[str]) -> str:
    more = len(places) - _MAX_PLACES
    cut = [place if len(place) <= _MAX_LENGTH else f"{place[:_MAX_LENGTH]}..." for place in places[:_MAX_PLACES]]
    return ", ".join(cut) + (f" and {more} more" if more > 0 else "")
