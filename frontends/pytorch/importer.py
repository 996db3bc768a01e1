"""Turns an exported program into a program of the IR, operator by operator."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.fx import Node
from torch.utils import _pytree as pytree

from gradlet.frontends.pytorch.batch import captured_batch, input_shapes, rebatch
from gradlet.frontends.pytorch.builder import Builder, UnsupportedError
from gradlet.frontends.pytorch.exporting import Sample, decomposed, export
from gradlet.frontends.pytorch.input_layout import input_order
from gradlet.frontends.pytorch.layouts import layout
from gradlet.frontends.pytorch.parameters import parameters
from gradlet.frontends.pytorch.places import identifier, module_path, output_names, place
from gradlet.frontends.pytorch.problems import Problems
from gradlet.frontends.pytorch.tensor import Parameter, Shape, Tensor, natural
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Value
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import DType, TensorType

_INPUT_TYPES = {
    torch.float32: DType.F32,
    torch.float16: DType.F16,
    torch.bfloat16: DType.BF16,
    torch.int32: DType.I32,
    torch.int64: DType.I32,
}


def import_module(
    module: torch.nn.Module, sample: Sample, *, toolbox: Toolbox, name: str = "", batch: int | None = None
) -> Program:
    """The forward pass of a module, in the mode (`train()` or `eval()`) that it is in.

    Args:
        module: Its parameters are copied.
        sample: Inputs of the right shapes: a tensor, a sequence of them, or a dict of keyword arguments.
        toolbox: Ops and converters to use.
        name: Of the program; that of the module's class if empty.
        batch: Size of the first axis; None: that of the sample.
    """
    exported = export(module, sample, batch)
    return import_exported(exported, toolbox=toolbox, name=name or type(module).__name__)


def import_exported(exported: ExportedProgram, *, toolbox: Toolbox, name: str, batch: int | None = None) -> Program:
    """The program that torch.export captured; `batch` replaces the size of the first axis."""
    return _Import(decomposed(exported), toolbox, identifier(name), batch).program()


class _Import:
    """One import: what each node of the exported graph has become so far."""

    def __init__(self, exported: ExportedProgram, toolbox: Toolbox, name: str, batch: int | None):
        self.exported, self.batch = exported, batch
        self.converters = toolbox.converters("pytorch")
        self.builder = Builder(Graph(name), toolbox.ops)
        self.problems = Problems()
        self.results: dict[Node, Any] = {}
        signature = exported.graph_signature
        self.nodes = {node.name: node for node in exported.graph.nodes}
        users = [spec.arg.name for spec in signature.input_specs if spec.kind is InputKind.USER_INPUT]
        self.inputs = [self.nodes[n] for n in users if isinstance(self.nodes[n].meta.get("val"), torch.Tensor)]
        self.outputs = [spec.arg for spec in signature.output_specs if spec.kind is OutputKind.USER_OUTPUT]

    def program(self) -> Program:
        old = captured_batch(self.inputs)
        for node, shape in input_shapes(self.inputs, self.batch).items():
            self._add_input(node, shape)
        if self.batch is not None and old is not None:
            rebatch(self.exported, old, self.batch)
        self.results |= parameters(self.exported)
        for node in self._needed():
            self.results[node] = self._convert(node)
        self.problems.check()
        self._add_outputs()
        _drop_unused(self.builder.graph)
        self.builder.graph.renumber()
        return Program(self.builder.graph, metadata=self.builder.metadata)

    def _add_input(self, node: Node, shape: Shape) -> None:
        dtype = node.meta["val"].dtype
        if dtype not in _INPUT_TYPES:
            what = f"input {node.name} has elements of type {str(dtype).removeprefix('torch.')}"
            raise CompileError("GL108", what, hint="inputs are floats, or indices in int32: try sample.float()")
        order = input_order(node)
        type_ = TensorType(_INPUT_TYPES[dtype], tuple(shape[axis] for axis in order))
        value = self.builder.graph.add_input(node.name, type_)
        if order != natural(len(order)):
            self.builder.metadata[f"input.{node.name}.layout"] = layout(order)
        self.results[node] = Tensor(value, order, shape)

    def _needed(self) -> list[Node]:
        """The operators that an output depends on, in order: counters and assertions are left out."""
        needed: set[Node] = set()
        waiting = [self.nodes[arg.name] for arg in self.outputs if getattr(arg, "name", None) in self.nodes]
        while waiting:
            node = waiting.pop()
            if node not in needed:
                needed.add(node)
                waiting += node.all_input_nodes
        self.problems.check_mutations(self.exported, needed)
        return [node for node in self.exported.graph.nodes if node in needed and node.op == "call_function"]

    def _convert(self, node: Node) -> Any:
        self.builder.emit.loc = module_path(node)
        try:
            return self._apply(node)
        except UnsupportedError as error:
            self.problems.add(node, str(error))
        except CompileError as error:
            if error.code not in ("GL001", "GL002"):
                raise
            self.problems.add(node, error.what)
        except ValueError as error:
            if self.batch is None:
                # PyTorch has accepted these shapes: the mistake is ours.
                raise AssertionError(f"{node.format_node()}: {error}\n{self.builder.graph}") from error
            raise self._fixed_batch(node, str(error)) from error
        # Something of the right shape, so that the problems of later operators are found as well.
        return pytree.tree_map(self._stand_in, node.meta.get("val"))

    def _apply(self, node: Node) -> Any:
        args, kwargs = (torch.fx.node.map_aggregate(a, self._argument) for a in (node.args, node.kwargs))
        if node.target is operator.getitem:
            return args[0][args[1]]
        if str(node.target) in self.converters:
            return self.converters[str(node.target)](self.builder, *args, **kwargs)
        if all(isinstance(a, int | float) for a in args) and callable(node.target):
            return node.target(*args)  # arithmetic on sizes
        raise UnsupportedError("")

    def _argument(self, argument: Any) -> Any:
        if not isinstance(argument, Node):
            return argument
        if self.results[argument] is None:
            raise UnsupportedError(f"reads a result that has no counterpart: {argument.name}")
        return self.results[argument]

    def _stand_in(self, leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        shape = tuple(int(size) for size in leaf.shape)
        value = self.builder.graph.fresh(TensorType(_INPUT_TYPES.get(leaf.dtype, DType.F32), shape))
        return Tensor(value, natural(len(shape)), shape)

    def _add_outputs(self) -> None:
        structure = pytree.tree_unflatten(range(len(self.outputs)), self.exported.call_spec.out_spec)
        taken = {value.name for value in self.builder.graph.values()}
        for arg, name in zip(self.outputs, output_names(structure), strict=True):
            node = self.nodes.get(getattr(arg, "name", None))
            result = self.results.get(node) if node else None
            if isinstance(result, Tensor | Parameter):
                self._check_batch(node, result.shape)
                self._add_output(f"{name}_out" if name in taken else name, self.builder.settled(result))
        if not self.builder.graph.outputs:
            raise CompileError("GL109", "the module returns no tensor", hint="return the predictions from forward")

    def _check_batch(self, node: Node, shape: Shape) -> None:
        was = tuple(node.meta["val"].shape)
        old = captured_batch(self.inputs)
        if self.batch is not None and was[:1] == (old,) and shape[:1] != (self.batch,):
            raise self._fixed_batch(node, f"an output has shape {shape}")

    def _fixed_batch(self, node: Node, reason: str) -> CompileError:
        old = captured_batch(self.inputs)
        what = f"the batch size cannot be changed from {old} to {self.batch}: {reason}"
        hint = "export the module with that batch size, or an open one"
        return CompileError("GL110", what, place(node), hint)

    def _add_output(self, name: str, result: Tensor) -> None:
        if len(result.shape) < 3:
            result = self.builder.laid(self.builder.plain(result), natural(len(result.shape)))
        if result.order != natural(len(result.order)):
            self.builder.metadata[f"output.{name}.layout"] = layout(result.order)
        value = self._own(result.value)
        value.name = name
        self.builder.graph.outputs.append(value)

    def _own(self, value: Value) -> Value:
        """A value that nothing else names: not an input, a state or another output."""
        if value.producer and value not in self.builder.graph.outputs:
            return value
        return self.builder("reshape", value, shape=value.type.shape)


def _drop_unused(graph: Graph) -> None:
    """Removes nodes that a converter made and nobody reads."""
    for node in reversed(list(graph.nodes)):
        if not any(value.users or value in graph.outputs or value.overwrites for value in node.outputs):
            graph.remove(node)
