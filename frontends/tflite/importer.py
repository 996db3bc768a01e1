"""Turns a TFLite model into a program of the IR, operator by operator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from gradlet.frontends.tflite.associated_files import read_files
from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.endings import head_of, logits_of, needed
from gradlet.frontends.tflite.folding import folded
from gradlet.frontends.tflite.metadata import facts, read_metadata
from gradlet.frontends.tflite.model import Model, Operator, Tensor, digest, inconsistent, parse, read_file
from gradlet.frontends.tflite.names import Places, identifier, input_name
from gradlet.frontends.tflite.problems import OTHER_TYPES, Problems, UnsupportedError, unsupported
from gradlet.frontends.tflite.quantized import ROUNDING
from gradlet.frontends.tflite.wrapped_indices import without_wrapping
from gradlet.ir.errors import CompileError
from gradlet.ir.frontend import ImportRequest
from gradlet.ir.graph import Graph, Value
from gradlet.ir.options import Call, build
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import DType, TensorType

# In the metadata of a program: which model it is of, so that nothing is written back into another.
DIGEST = "tflite.digest"
_INPUTS = (DType.F32, DType.I8, DType.U8, DType.I32, DType.I64)
_MAX_CLASSES = 100_000
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class ImportOptions:
    """What the user may choose.

    Attributes:
        classes: Of a new head in float32; None keeps that of the model.
        seed: Of the new head's weights.
    """

    classes: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.classes is not None and not 1 <= self.classes <= _MAX_CLASSES:
            what = f"a head of {self.classes} classes"
            raise CompileError("GL212", what, hint=f"give a number from 1 to {_MAX_CLASSES}")
        if self.seed < 0:
            raise CompileError("GL212", f"the seed {self.seed}", hint="give 0 or more")


def load(request: ImportRequest, toolbox: Toolbox) -> Program:
    """The program of the file that is asked for."""
    options = build(ImportOptions, Call("tflite", tuple(request.options.items())))
    path = Path(request.source)
    return import_bytes(read_file(path), options, toolbox, identifier(path.stem, "net"), request.batch)


def import_bytes(data: bytes, options: ImportOptions, toolbox: Toolbox, name: str, batch: int | None = None) -> Program:
    """The program of a model, with what the file says about it in its metadata."""
    model, files = parse(data), read_files(data)
    work = Importer(model, options, toolbox, name, batch)
    program = work.program()
    inputs = [value.name for value in program.graph.inputs]
    outputs = {} if options.classes else {number: value.name for number, value in work.predictions.items()}
    told = facts(read_metadata(model), files, inputs, outputs)
    return replace(program, metadata={**told, **program.metadata, DIGEST: digest(model)})


def import_model(
    model: Model, options: ImportOptions, toolbox: Toolbox, name: str, batch: int | None = None
) -> Program:
    """The program of a model: its outputs are floats, and logits where the model ends in a softmax."""
    return Importer(model, options, toolbox, name, batch).program()


class Importer:
    """One import.

    Attributes:
        makers: Which operator the nodes and states of a place come from.
        predictions: Outputs of the program, by their number in the model.
        head: The layer that a new head replaces.
    """

    def __init__(self, model: Model, options: ImportOptions, toolbox: Toolbox, name: str, batch: int | None):
        self.model, self.options = without_wrapping(model), options
        self.converters = toolbox.converters("tflite")
        old = next((t.shape[0] for t in model.inputs if t.shape), 1)
        self.builder = Builder(Graph(name), toolbox.ops, (old, batch or old))
        self.problems, self.places = Problems(), Places()
        self.makers: dict[str, Operator] = {}
        self.predictions: dict[int, Value] = {}
        self.head: Operator | None = None

    def program(self) -> Program:
        if not self.model.inputs or not self.model.outputs:
            raise inconsistent("the model has no input, or no output")
        logits = [logits_of(self.model, tensor) for tensor in self.model.outputs]
        self.head = head = head_of(self.model, logits[0]) if self.options.classes else None
        wanted = needed(self.model, [t for t in head.inputs[:1] if t] if head else logits)
        self.problems.check_model(self.model, wanted)
        for tensor in self.model.inputs:
            self._add_input(tensor)
        for operator in self.model.operators:
            if any(tensor.index in wanted for tensor in operator.outputs):
                self._convert(operator)
        self.problems.check()
        if head:
            self._add_head(head)
        else:
            self._add_outputs(logits)
        _drop_unused(self.builder.graph)
        self.builder.graph.renumber()
        notes = {"note": "\n".join(self.builder.notes)} if self.builder.notes else {}
        return Program(self.builder.graph, metadata=notes | ({"classes": str(self.options.classes)} if head else {}))

    def _add_input(self, tensor: Tensor) -> None:
        b, graph, name = self.builder, self.builder.graph, self.builder.graph.free_name(input_name(tensor))
        if tensor.dtype not in (*_INPUTS, None):
            self.problems.add(f"an input of type {tensor.type_name}", str(tensor), OTHER_TYPES)
        type_ = b.type(tensor, b.shape(tensor))
        if tensor.dtype is not DType.U8 or type_.quant is None:
            b.values[tensor.index] = graph.add_input(name, type_)
            return
        pixels = graph.add_input(name, TensorType(DType.U8, type_.shape))
        (scale,), (zero,) = type_.quant.scale, type_.quant.zero_point
        scales = {"x_scale": scale, "x_zero": zero + 128, "y_scale": scale, "y_zero": zero}
        b.emit.loc = name
        b.values[tensor.index] = b("requantize", pixels, **scales, rounding=ROUNDING)

    def _convert(self, operator: Operator) -> None:
        builder, place = self.builder, str(operator.outputs[0])
        self._go_to(operator)
        try:
            convert = self.converters.get(operator.name, unsupported)
            constants = folded(builder, operator, convert)
            if constants is not None:
                builder.contents |= self._results(operator, constants)
                return
            made = convert(builder, operator)
            if made is None and operator.outputs[0].index in builder.contents:
                return
            results = self._results(operator, [made] if isinstance(made, Value) else made or ())
            for tensor in operator.outputs:
                self._check_result(operator, tensor, results[tensor.index])
            builder.values |= results
            return
        except UnsupportedError as error:
            self.problems.add_operator(operator.name, error, place)
        except CompileError as error:
            if error.code != "GL002":
                raise
            raise self._unfit(f"{operator.name}: {error.what}") from error
        # Something of the right shape, so that the problems of later operators are found as well.
        for tensor in operator.outputs:
            builder.values[tensor.index] = builder.graph.fresh(builder.type(tensor, builder.shape(tensor)))

    def _results(self, operator: Operator, made: Sequence[_Made]) -> dict[int, _Made]:
        """What an operator has made, by the index of the tensor."""
        if len(made) != len(operator.outputs):
            what = f"{operator.name} has {len(made)} results, the file says {len(operator.outputs)}"
            raise inconsistent(what, self.builder.emit.loc)
        return {tensor.index: each for tensor, each in zip(operator.outputs, made, strict=True)}

    def _unfit(self, what: str) -> CompileError:
        """What does not fit together: it is the batch size that is asked for, unless that is the file's."""
        (old, new), place = self.builder.batch, self.builder.emit.loc
        if old == new:
            return inconsistent(what, place)
        changed = f"the batch size cannot be changed from {old} to {new}: {what}"
        return CompileError("GL110", changed, place, "convert the model with that batch size")

    def _go_to(self, operator: Operator) -> None:
        place = self.places.of(operator.outputs[0])
        self.builder.emit.loc, self.makers[place] = place, operator

    def _check_result(self, operator: Operator, tensor: Tensor, y: Value) -> None:
        """The file tells the type of a result as well."""
        type_ = self.builder.type(tensor, tensor.shape)
        if y.type.dtype is not type_.dtype:
            raise inconsistent(f"{operator.name} makes {y.type}, not {tensor.type_name}", self.builder.emit.loc)
        if y.type.shape not in (tensor.shape, self.builder.shape(tensor)) and not _fits(y.type.shape, tensor):
            what = f"{operator.name} makes {list(y.type.shape)}, the file says {list(tensor.shape)}"
            raise self._unfit(what)
        if y.type.quant != type_.quant:
            raise UnsupportedError("in int8 with another scale for its result")

    # --- Outputs.

    def _add_head(self, head: Operator) -> None:
        """A dense layer, drawn as `torch.nn.Linear` draws: uniformly up to 1 / sqrt(inputs)."""
        b, classes = self.builder, self.options.classes
        assert classes is not None
        if not head.inputs[0] or head.inputs[0].index not in b.values:
            what, hint = "a new head is not supported: the last layer reads a constant", "convert a model that predicts"
            raise CompileError("GL105", what, str(head.outputs[0]), hint)
        x = self._float(b.x(head))
        self._go_to(head)
        weight = head.inputs[1] if len(head.inputs) > 1 else None
        sizes = weight.shape if weight else x.type.shape
        if not sizes or not x.type.shape or x.type.size % sizes[-1]:
            raise inconsistent(f"{head.name} with weights {list(sizes)} reads {x.type}", b.emit.loc)
        inputs = sizes[-1]
        shape = (x.type.size // inputs, inputs)
        x = x if x.type.shape == shape else b("reshape", x, shape=shape)
        rng, bound = np.random.default_rng(self.options.seed), 1 / math.sqrt(inputs)
        drawn = [rng.uniform(-bound, bound, s).astype(np.float32) for s in ((classes, inputs), (classes,))]
        w, bias = (b.parameter(name, content) for name, content in zip(("weight", "bias"), drawn, strict=True))
        self._add_output("logits", b("dense", x, w, bias), 0)

    def _add_outputs(self, logits: list[Tensor]) -> None:
        for k, tensor in enumerate(logits):
            name = "output" if tensor is self.model.outputs[k] else "logits"
            if tensor.index in self.builder.values:
                value = self._float(self.builder.values[tensor.index])
                self._add_output(name if len(logits) == 1 else f"{name}_{k}", value, k)
        if not self.builder.graph.outputs:
            raise inconsistent("every output is a constant")

    def _float(self, value: Value) -> Value:
        if value.type.quant is None:
            return value
        (scale,), (zero,) = value.type.quant.scale, value.type.quant.zero_point
        return self.builder("dequantize", value, scale=scale, zero_point=zero)

    def _add_output(self, name: str, value: Value, number: int) -> None:
        graph = self.builder.graph
        if not value.producer or value in graph.outputs:
            value = self.builder("reshape", value, shape=value.type.shape)
        value.name = graph.free_name(name)
        graph.outputs.append(value)
        self.predictions[number] = value


def _fits(shape: tuple[int, ...], tensor: Tensor) -> bool:
    """Whether it is this shape where the tensor's is not open."""
    told = [-1 if axis in tensor.open_axes else size for axis, size in enumerate(tensor.shape)]
    return len(shape) == len(told) and all(n in (-1, size) for n, size in zip(told, shape, strict=True))


def _drop_unused(graph: Graph) -> None:
    """Removes nodes that a converter made and nobody reads."""
    for node in reversed(list(graph.nodes)):
        if not any(value.users or value in graph.outputs for value in node.outputs):
            graph.remove(node)
