"""Writes the int8 graph that a plan asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gradlet.ir.graph import Graph, Node, Value
from gradlet.ir.op_def import Emit, OpSet
from gradlet.ir.quantized_states import Layer
from gradlet.ir.requantize import ends
from gradlet.ir.tensor_type import QuantParams, TensorType
from gradlet.optimizers.quantization.plan import Plan
from gradlet.optimizers.quantization.scales import Quantization, limits


class Conversion:
    """The int8 graph under construction: what the rules build with. Nodes and values are those of the float graph.

    Attributes:
        graph: The new graph.
        bits: The attribute that says so where activations are of 16 bits.
        rounding: Of all sums.
    """

    rounding = "float"

    def __init__(
        self, old: Graph, ops: OpSet, plan: Plan, params: Mapping[Value, Quantization], layers: Mapping[Node, Layer]
    ):
        self.old, self.plan, self._params, self._layers = old, plan, params, layers
        self.bits = {"bits": 16} if any(q.bits == 16 for q in params.values()) else {}
        self.graph = Graph(old.name)
        self.emit = Emit(ops, self.graph)
        self._states = {state.value: state for state in old.states}
        self._int8: dict[Value, Value] = {}
        self._floats: dict[Value, Value] = {}

    def __call__(self, op: str, *inputs: Value, **attrs: Any) -> Value:
        return self.emit(op, *inputs, **attrs)

    def node(self, op: str, *inputs: Value, **attrs: Any) -> Sequence[Value]:
        """All results of a new node."""
        return self.emit.node(op, *inputs, **attrs).outputs

    # --- What the rules ask for.

    def params(self, value: Value) -> Quantization:
        return self._params[self.plan.root(value)]

    def result(self, node: Node) -> Quantization:
        """Of the first result of a node, with the clamp that it does the work of."""
        return self.params(self.plan.result(node))

    def target(self, node: Node) -> dict[str, Any]:
        """Attributes that say what the results of an op are: scale and zero point, and with 16 bits where they end."""
        value = self.plan.result(node)
        y = self.params(value)
        attrs: dict[str, Any] = {"y_scale": y.scale, "y_zero": y.zero_point, "rounding": self.rounding, **self.bits}
        if self.bits:
            intervals = limits(node), limits(value.producer)
            low, high = max(low for low, _ in intervals), min(high for _, high in intervals)
            lowest, highest = ends(attrs)
            if low > y.scale * lowest:
                attrs["y_min"] = min(round(low / y.scale), highest)
            if high < y.scale * highest:
                attrs["y_max"] = max(round(high / y.scale), lowest)
        return attrs

    def layer(self, node: Node) -> Layer:
        return self._layers[node]

    def int8(self, value: Value) -> Value:
        """A tensor on int8, quantised here if it is a float."""
        if value not in self._int8:
            quantization = self.params(value)
            attrs = {"scale": quantization.scale, "zero_point": quantization.zero_point, "rounding": self.rounding}
            self._int8[value] = self("quantize", self.floats(value), **attrs, **self.bits)
        return self._int8[value]

    def int8_as(self, value: Value, like: Value) -> Value:
        """A tensor in the scale of another one."""
        y = self.params(like)
        x = self.params(value) if value in self.plan.roots else y
        if x == y:
            return self.int8(value)
        scales = {"x_scale": x.scale, "x_zero": x.zero_point, "y_scale": y.scale, "y_zero": y.zero_point}
        return self("requantize", self.int8(value), **scales, rounding=self.rounding, **self.bits)

    def clipped(self, x: Value, old: Quantization, new: Quantization, low: float, high: float) -> Value:
        """An int8 tensor between two numbers, in another scale."""
        scales = {"x_scale": old.scale, "x_zero": old.zero_point, "y_scale": new.scale, "y_zero": new.zero_point}
        return self("qlookup", x, function="clip", lo=low, hi=high, **scales, rounding=self.rounding)

    def floats(self, value: Value) -> Value:
        """A tensor in float32 (or in the type of its own that it has), dequantised here if it is int8."""
        if value in self._states and value not in self._floats:
            self._floats[value] = self._copied(value)
        if value not in self._floats:
            quantization, x = self.params(value), self._int8[value]
            attrs = {"scale": quantization.scale, "zero_point": quantization.zero_point}
            self._floats[value] = self("dequantize", x, **attrs, **self.bits)
        return self._floats[value]

    def _copied(self, value: Value) -> Value:
        old = self._states[value]
        new = self.graph.add_state(old.name, old.init, value.type, old.role, trainable=old.trainable, source=old.source)
        self.graph.states[-1].region = old.region
        return new

    # --- The whole.

    def write(self, int8_inputs: bool) -> Graph:
        """The int8 graph."""
        for value in self.old.inputs:
            self._add_input(value, int8_inputs and value in self.plan.roots)
        for node in self.old.nodes:
            self.emit.loc = node.loc
            if node in self.plan.folded:
                self._int8[node.outputs[0]] = self._int8[node.inputs[0]]
            elif node in self.plan.rules:
                results = self.plan.rules[node].emit(self, node)
                self._int8.update(zip(node.outputs, results, strict=True))
            else:
                results = self.node(node.op, *map(self.floats, node.inputs), **node.attrs)
                self._floats.update(zip(node.outputs, results, strict=True))
        for value in self.old.outputs:
            self._add_output(value)
        self.graph.renumber()
        return self.graph

    def _add_input(self, value: Value, is_int8: bool) -> None:
        if not is_int8:
            self._floats[value] = self.graph.add_input(value.name, value.type)
            return
        quantization = self.params(value)
        quant = QuantParams((quantization.scale,), (quantization.zero_point,))
        self._int8[value] = self.graph.add_input(value.name, TensorType(quantization.dtype, value.type.shape, quant))

    def _add_output(self, value: Value) -> None:
        self.emit.loc = value.producer.loc if value.producer else ""
        new = self.floats(value)
        if value.producer:
            new.name = value.name
        self.graph.outputs.append(new)

    def new(self, value: Value) -> Value:
        """What a value of the float graph has become."""
        return self._int8.get(value) or self._floats[value]
