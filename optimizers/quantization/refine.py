"""Makes up for rounding, layer by layer: each learns what to do about its own errors and those of the layers before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gradlet.ir.activations import activate
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Node, Value
from gradlet.ir.op_def import OpSet
from gradlet.ir.options import Call, build
from gradlet.ir.quantized_states import Layer, Parameter
from gradlet.optimizers.linear_ops import bias_of, is_depthwise, weight_of
from gradlet.optimizers.quantization.adaround import AdaRound, columns_of, from_rows, rows_of, sums_of
from gradlet.optimizers.quantization.bias_correction import channel_mean, corrected
from gradlet.optimizers.quantization.calibration import Feed, last_uses
from gradlet.optimizers.quantization.plan import Plan
from gradlet.optimizers.quantization.scales import Quantization

# All activations of so many samples are in memory at once: those between two layers, not those of the whole network.
_SAMPLES = 64


def rounding_of(call: Call) -> AdaRound | None:
    """The option `rounding`; None rounds to the nearest.

    Raises:
        CompileError: GL212 for another name.
    """
    if call.name not in ("nearest", "adaround"):
        raise CompileError("GL212", f"rounding={call.name}", hint="give nearest or adaround")
    return build(AdaRound, call) if call.name == "adaround" else None


@dataclass
class Refinement:
    """The float graph and the int8 one, node by node on the same samples.

    Attributes:
        params: Root of a group (`Plan.root`) -> its scale and zero point.
        layers: What each layer computes with, rounded to nearest; `run` puts better ones there.
        rounding: How weights are rounded; None leaves them.
        correct_bias: Whether biases take the mean error of each channel.
    """

    graph: Graph
    ops: OpSet
    plan: Plan
    params: Mapping[Value, Quantization]
    layers: dict[Node, Layer]
    rounding: AdaRound | None
    correct_bias: bool
    _exact: dict[Value, list[np.ndarray]] = field(default_factory=dict)
    _found: dict[Value, list[np.ndarray]] = field(default_factory=dict)

    def run(self, feeds: Sequence[Feed]) -> dict[Node, Layer]:
        """The layers, which have seen the first of these samples."""
        batch = max((v.type.shape[0] for v in self.graph.inputs if v.type.shape), default=1)
        few = feeds[: max(1, _SAMPLES // batch)]
        for value in self.graph.inputs:
            arrays = [np.asarray(feed[value.name], value.type.dtype.numpy) for feed in few]
            self._exact[value], self._found[value] = arrays, self._rounded(value, arrays)
        for state in self.graph.states:
            self._exact[state.value] = self._found[state.value] = [state.init] * len(few)
        dying = last_uses(self.graph)
        for node in self.graph.nodes:
            (self._linear if node in self.layers else self._other)(node)
            for value in dying.get(node, ()):
                self._exact.pop(value, None)
                self._found.pop(value, None)
        return self.layers

    def _rounded(self, value: Value, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """What int8 gives back of a tensor, if it becomes int8."""
        if value not in self.plan.roots:
            return arrays
        quantization = self.params[self.plan.root(value)]
        return [quantization.real(quantization.stored(a)) for a in arrays]

    def _other(self, node: Node) -> None:
        for values in (self._exact, self._found):
            operands = zip(*(values[v] for v in node.inputs), strict=True)
            results = [self.ops[node.op].evaluate(list(arrays), node.attrs) for arrays in operands]
            for k, value in enumerate(node.outputs):
                dtype = value.type.dtype.numpy
                values[value] = [np.asarray(r[k]).astype(dtype, copy=False) for r in results]
        for value in node.outputs:
            self._found[value] = self._rounded(value, self._found[value])

    def _linear(self, node: Node) -> None:
        x, (y,) = node.inputs[0], node.outputs
        weight, bias = (self._exact[v][0] if v else None for v in (weight_of(node), bias_of(node)))
        assert weight is not None
        wanted = self._sums(node, self._exact[x], weight, bias)
        self._exact[y] = [activate(sums, node.attrs) for sums in wanted]
        if self.rounding:
            self.layers[node] = self._with_rounding(node, weight, bias, wanted)
        found = self._sums(node, self._found[x], *_real(self.layers[node]))
        if self.correct_bias:
            self.layers[node] = _with_bias(self.layers[node], wanted, found)
            found = self._sums(node, self._found[x], *_real(self.layers[node]))
        # Where a clamp behind it is left to the range of the result, `found` is what that clamp gives already.
        result = self.plan.result(node)
        self._found[y] = self._rounded(result, [activate(sums, node.attrs) for sums in found])

    def _sums(self, node: Node, xs: list[np.ndarray], weight: np.ndarray, bias: np.ndarray | None) -> list[np.ndarray]:
        """Of each batch, before the activation."""
        attrs = {k: v for k, v in node.attrs.items() if k != "activation"}
        rest = [weight] if bias is None else [weight, bias]
        return [np.asarray(self.ops[node.op].evaluate([x, *rest], attrs)[0]) for x in xs]

    def _with_rounding(
        self, node: Node, weight: np.ndarray, bias: np.ndarray | None, wanted: list[np.ndarray]
    ) -> Layer:
        """The layer with weights whose sums come close to those of the float graph."""
        assert self.rounding
        layer, x, y = self.layers[node], np.concatenate(self._found[node.inputs[0]]), np.concatenate(wanted)
        kernel = weight.shape[:2] if is_depthwise(node) else weight.shape[1:3]
        scales = layer.weight_scales.reshape([-1 if a == layer.out_axis else 1 for a in range(weight.ndim)])
        rows = rows_of(node.op, weight / scales, node.attrs, x.shape[-1])
        places = self.rounding.places(y.size // y.shape[-1])
        columns = columns_of(node.op, x, kernel, node.attrs, places)
        target = sums_of((y if bias is None else y - bias) / layer.weight_scales, len(rows), places)
        content = from_rows(node.op, self.rounding.round(rows, columns, target), weight.shape)
        return replace(layer, weight=replace(layer.weight, content=content))


def _real(layer: Layer) -> tuple[np.ndarray, np.ndarray | None]:
    """Weight and bias that the integers stand for."""
    content = layer.weight.content
    scales = layer.weight_scales.reshape([-1 if a == layer.out_axis else 1 for a in range(content.ndim)])
    weight: np.ndarray = (content * scales).astype(np.float32)
    if layer.bias is None:
        return weight, None
    return weight, (layer.bias.content * layer.x_scale * layer.weight_scales).astype(np.float32)


def _with_bias(layer: Layer, wanted: list[np.ndarray], found: list[np.ndarray]) -> Layer:
    """The layer with a bias that takes the mean error of each channel."""
    name = f"{layer.weight.name.removesuffix('weight').removesuffix('.')}.bias"
    bias = layer.bias or Parameter(name, np.zeros(layer.weight_scales.shape), trainable=False)
    means = (channel_mean(np.concatenate(sums)) for sums in (wanted, found))
    return replace(
        layer, bias=replace(bias, content=corrected(bias.content, layer.x_scale * layer.weight_scales, *means))
    )
