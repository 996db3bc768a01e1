"""Writes what a program has learnt back into the TFLite model that it was imported from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradlet.frontends.tflite.associated_files import PLAN, REPORT, AssociatedFiles, read_files, with_files
from gradlet.frontends.tflite.front import Edit, Number
from gradlet.frontends.tflite.importer import Importer, ImportOptions
from gradlet.frontends.tflite.metadata import read_metadata
from gradlet.frontends.tflite.model import Model, Operator, Tensor, digest, inconsistent, parse
from gradlet.frontends.tflite.new_head import write_head
from gradlet.frontends.tflite.packing import described
from gradlet.frontends.tflite.schema import METADATA_ENTRY, TENSOR_TYPES
from gradlet.ir.arguments import unknown_array
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Source
from gradlet.ir.plugin import Toolbox
from gradlet.ir.user_states import to_user

_LABELS = "labels.txt"


@dataclass(frozen=True)
class Learnt:
    """What a program has learnt.

    Attributes:
        arrays: Parameters as `Compiled.user_states` gives them; those that are missing stay as they are.
        classes: Of the head that the import made; None if it kept that of the model.
        digest: Of the model that it was imported from; empty: any.
        labels: Names of the classes, if they are known.
    """

    arrays: Mapping[str, np.ndarray]
    classes: int | None = None
    digest: str = ""
    labels: Sequence[str] = ()


def write_back(data: bytes, learnt: Learnt, toolbox: Toolbox) -> bytes:
    """The model with these parameters: everything else is that of the file, but for a new head.

    Raises:
        CompileError: GL119 if the parameters are not of this model, or cannot be written; GL117 and GL118 if the model
            is damaged, GL105 if it cannot be imported or written.
    """
    files = read_files(data)
    model = parse(data[: files.begin])
    if learnt.digest and digest(model) != learnt.digest:
        hint = "name the .tflite file that was compiled"
        raise CompileError("GL119", "the program was compiled from another model", hint=hint)
    work = Importer(model, ImportOptions(learnt.classes), toolbox, "net", None)
    graph = work.program().graph
    before = to_user(graph, {state.name: state.init for state in graph.states})
    sources = {state.source.name: state.source for state in graph.states if state.source}
    edit, head = Edit(data[: files.begin]), work.head
    uses = _Uses(model, edit)
    for name, array in learnt.arrays.items():
        _check(name, array, before)
    for name, array in learnt.arrays.items():
        place = name.rpartition(".")[0]
        if work.makers[place] is not head and not np.array_equal(array, before[name]):
            operand = _operand(work, work.makers[place], sources[name], before[name])
            uses.write(operand, array, before[name], name)
    if head:
        place = next(place for place, maker in work.makers.items() if maker is head)
        parameters = [learnt.arrays.get(f"{place}.{name}", before[f"{place}.{name}"]) for name in ("weight", "bias")]
        write_head(edit, model, head, *parameters)
    named = _named(edit, model, files, learnt)
    result = edit.result()
    _verify(result, learnt, work, toolbox)
    return with_files(result, named)


def _verify(result: bytes, learnt: Learnt, work: Importer, toolbox: Toolbox) -> None:
    """Reads it again: a hostile model may keep tables where its constants are."""
    graph = Importer(parse(result), ImportOptions(learnt.classes), toolbox, "net", None).program().graph
    after = to_user(graph, {state.name: state.init for state in graph.states})
    for name, array in learnt.arrays.items():
        if work.makers[name.rpartition(".")[0]] is not work.head and not np.array_equal(after.get(name, ()), array):
            what = f"{name} is not what was written: its place is shared, or a channel that is constant has learnt"
            raise inconsistent(what, "buffers")


def _check(name: str, array: np.ndarray, known: Mapping[str, np.ndarray]) -> None:
    if name not in known:
        raise unknown_array(name, known, "parameter of the model")
    if array.shape != known[name].shape or array.dtype != known[name].dtype:
        what = f"{name} is {array.dtype}{list(array.shape)}, the model has {known[name].dtype}{list(known[name].shape)}"
        hint = "name the .tflite file that was compiled; one of floats that has become int8 is not written back"
        raise CompileError("GL119", what, hint=hint)


def _operand(work: Importer, operator: Operator, source: Source, content: np.ndarray) -> tuple[Operator, int] | None:
    """Which operand of its operator a parameter is: the one that it equals, else the only one of its shape."""
    known = work.builder.contents
    constants = [
        (k, known.get(tensor.index, tensor.content)) for k, tensor in enumerate(operator.inputs) if tensor is not None
    ]
    fitting = [(k, found) for k, found in constants if found is not None and found.shape == source.shape]
    equal = [k for k, found in fitting if np.array_equal(found, content)]
    if equal or len(fitting) == 1:
        return operator, (equal or [fitting[0][0]])[0]
    return None


class _Uses:
    """Where the constants of a model are used: one that is used once is overwritten, others are left to the rest."""

    def __init__(self, model: Model, edit: Edit):
        self.edit, self.numbers = edit, {operator: k for k, operator in enumerate(model.operators)}
        self.operands = {operator: [t.index if t else -1 for t in operator.inputs] for operator in model.operators}
        self.buffers = Counter(self.buffer(k) for k in range(len(edit.tensors)))
        read = [t.index for operator in model.operators for t in operator.inputs if t]
        self.tensors = Counter([*read, *(t.index for t in model.outputs)])

    def buffer(self, tensor: int) -> int:
        number = self.edit.fields("Tensor", self.edit.tensors[tensor]).get(2)
        return int(number.value) if isinstance(number, Number) else 0

    def write(self, operand: tuple[Operator, int] | None, array: np.ndarray, before: np.ndarray, name: str) -> None:
        """Writes what differs: constant channels, to which the import gives other numbers, have not learnt."""
        tensor = operand[0].inputs[operand[1]] if operand else None
        old = tensor.content if tensor else None
        old = old if old is not None and old.dtype == array.dtype else None
        if operand is None or tensor is None or (old is None and array.dtype != np.float32):
            hint = "leave it out of what learns: choose another scheme"
            raise CompileError("GL119", f"{name} is no constant of the model as it learnt", hint=hint)
        if old is None:
            self._set(operand, self.edit.add_constant(name, array))
            return
        begin, size = self.edit.content(self.buffer(tensor.index))
        content = np.where(array == before, old, array).astype(array.dtype).tobytes()
        is_alone = self.tensors[tensor.index] == 1 and self.buffers[self.buffer(tensor.index)] == 1
        if is_alone and len(content) == size:
            self.edit.data[begin : begin + size] = content
        else:
            self._set(operand, self._twin(tensor, array.dtype.name, content))

    def _twin(self, tensor: Tensor, dtype: str, content: bytes) -> int:
        """A tensor like another, for one operator: int4 becomes int8, as which it learns."""
        fields = self.edit.fields("Tensor", self.edit.tensors[tensor.index])
        type_ = Number("b", TENSOR_TYPES.index(dtype.upper()))
        return self.edit.add_tensor(fields | {1: type_, 2: Number("I", self.edit.add_buffer(content))})

    def _set(self, operand: tuple[Operator, int], number: int) -> None:
        operator, position = operand
        self.operands[operator][position] = number
        self.edit.set_operands(self.numbers[operator], self.operands[operator])


def _named(edit: Edit, model: Model, files: AssociatedFiles, learnt: Learnt) -> dict[str, bytes]:
    """The files that come with the model, but for a training plan: that has the weights which were.

    What the classes are called is no longer true of a new head.
    """
    found = {name: files.read(name) for name in files.entries if name not in (PLAN, REPORT)}
    if not learnt.classes:
        return found
    names = learnt.labels if len(learnt.labels) == learnt.classes else [str(k) for k in range(learnt.classes)]
    content = "".join(f"{name}\n" for name in names).encode()
    outputs = read_metadata(model).outputs
    if outputs and outputs[0].labels_file:
        return found | {outputs[0].labels_file: content}
    if not model.metadata and learnt.labels:
        edit.add_metadata(METADATA_ENTRY, described(model, sorted(found), _LABELS))
        return found | {_LABELS: content}
    return found
