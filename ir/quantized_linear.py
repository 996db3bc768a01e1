"""What convolution, depthwise convolution and dense share on int8: int32 sums, requantised; their gradients.

Activations may be int16, with sums of 64 bits; weights are int8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradlet.ir.gradient_epilogue import arrays_of, finish, infer_result, types_of
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.requantize import (
    DTYPES,
    check_activations,
    check_quantized,
    check_scales,
    check_zero_points,
    requantize,
    rounding,
    saturated,
    with_mask,
)
from gradlet.ir.tensor_type import DType, TensorType, f32

_INT32_MAX = 2**31 - 1


@dataclass(frozen=True)
class Linear:
    """A family of quantised ops: `name`, `name`_input_grad, `name`_weight_grad.

    Attributes:
        forward: The float op (x, w) it computes in integers.
        input_grad: The float op (g, w).
        weight_grad: The float op (x, g).
        out_axis: Axis of the weights with one slice for each output channel.
        in_axis: Axis along which weights in parts are put together.
        shared: Attributes that the gradients share with the op.
        may_overwrite: Of the op.
        in_order: Of the op.
        examples: Of the op, its input gradient and its weight gradient.
    """

    name: str
    forward: OpDef
    input_grad: OpDef
    weight_grad: OpDef
    out_axis: int
    in_axis: int
    shared: Sequence[str] = ()
    may_overwrite: Mapping[int, Sequence[int]] = field(default_factory=dict)
    in_order: Callable[[Node], bool] = lambda node: True
    examples: Sequence[Sequence[Example]] = field(default=((), (), ()))

    def ops(self) -> tuple[OpDef, OpDef, OpDef]:
        return (
            OpDef(
                name=self.name,
                infer=self._infer,
                evaluate=self._evaluate,
                gradient=self._gradient,
                macs=self._with_floats(self.forward.macs, self._float_operands),
                may_overwrite=self.may_overwrite,
                in_order=self.in_order,
                inference=without_mask,
                examples=self.examples[0],
            ),
            OpDef(
                name=f"{self.name}_input_grad",
                infer=self._infer_input_grad,
                evaluate=self._evaluate_input_grad,
                macs=self._with_floats(self.input_grad.macs, self._float_gradient_operands),
                writes={1: -1},
                epilogue=parts,
                examples=self.examples[1],
            ),
            OpDef(
                name=f"{self.name}_weight_grad",
                infer=self._infer_weight_grad,
                evaluate=self._evaluate_weight_grad,
                macs=self.weight_grad.macs,
                slices=self.weight_grad.slices,
                sums=1,
                examples=self.examples[2],
            ),
        )

    # Forward.

    def _infer(self, types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
        check_activations(types[:1], attrs, "x_zero", "y_zero")
        count = parts(attrs)
        multipliers = 0 if rounding(attrs) == "float" else 1
        if len(types) != count + 3 + multipliers:
            raise ValueError(f"wants {count + 3 + multipliers} operands, got {len(types)}")
        x, *weights = types[: count + 1]
        w = self._whole(weights)
        (y,) = self.forward.infer([f32(*x.shape), f32(*w.shape)], attrs)
        channels = w.shape[self.out_axis]
        if x.dtype is DType.I8:
            _check_sums(w.size // channels)
        expected = [(DType.I32, (channels,)), (DType.F32, (channels,)), (DType.I32, (channels, 2))]
        for type_, (dtype, shape), name in zip(types[count + 1 :], expected, _CONSTANTS, strict=False):
            if (type_.dtype, type_.shape) != (dtype, shape):
                raise ValueError(f"{name} {type_} is not {TensorType(dtype, shape)}")
        check_scales(attrs, "y_scale")
        if x.quant and x.quant.zero_point != (attrs["x_zero"],):
            raise ValueError(f"x_zero is {attrs['x_zero']}, the zero point of x is {x.quant.zero_point[0]}")
        return with_mask(y.shape, attrs)

    def _evaluate(self, args: Arrays, attrs: Attrs) -> Results:
        count = parts(attrs)
        x, weights, (bias, scale, *multiplier) = args[0], args[1 : count + 1], args[count + 1 :]
        exact = [x.astype(np.float64) - attrs["x_zero"], np.concatenate(weights, self.in_axis).astype(np.float64)]
        sums = self.forward.evaluate(exact, attrs)[0]
        if all(a.dtype.kind == "i" for a in (x, *weights, bias)):
            sums = sums.astype(np.int64) + bias
            sums = saturated(sums) if x.dtype == np.int8 else sums
        else:
            sums = sums + bias
        return requantize(sums, scale, multiplier, attrs)

    def _gradient(self, emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
        count = parts(node.attrs)
        x, weights, (_, scale, *multiplier) = node.inputs[0], node.inputs[1 : count + 1], node.inputs[count + 1 :]
        mask = asked_mask(emit, node)
        assert grads[0] is not None
        g = emit("rescale_gradient", grads[0], mask, scale, mask=True, scale=True)
        shared = {k: node.attrs[k] for k in self.shared if k in node.attrs}
        dx = emit(f"{self.name}_input_grad", g, *weights, **shared, **self._shape_of(x), **_parts_attr(count))
        summed = shared | {"x_zero": node.attrs["x_zero"]} | self._kernel_of(weights[0])
        dw = self._weight_gradients(emit, weights, lambda: emit(f"{self.name}_weight_grad", x, g, **summed))
        return [dx, *dw, emit("gradient_sum", g), None, *(None for _ in multiplier)]

    def _weight_gradients(self, emit: Emit, weights: Sequence[Value], whole: Callable[[], Value]) -> list[Value]:
        """The gradient of each part: a slice of one of its own, which push_slices makes a gradient of a slice."""
        if len(weights) == 1:
            return [whole()]
        ends = np.cumsum([w.type.shape[self.in_axis] for w in weights]).tolist()
        return [
            emit("slice", whole(), axis=self.in_axis, begin=end - w.type.shape[self.in_axis], end=end)
            for w, end in zip(weights, ends, strict=True)
        ]

    # Gradients.

    def _infer_input_grad(self, types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
        found = types_of(types, attrs, parts(attrs))
        w = self._whole(found.own)
        (dx,) = self.input_grad.infer([f32(*found.g.shape), f32(*w.shape)], attrs)
        _check_gradient(found.g)
        return infer_result(found, dx.shape, attrs)

    def _evaluate_input_grad(self, args: Arrays, attrs: Attrs) -> Results:
        found = arrays_of(args, attrs, parts(attrs))
        kind = found.g.dtype if found.g.dtype.kind == "f" else np.dtype(np.float64)
        w = np.concatenate(found.own, self.in_axis).astype(kind)
        sums = self.input_grad.evaluate([found.g.astype(kind), w], attrs)[0]
        return finish(sums if found.unit is None else sums.astype(np.int64), found, attrs)

    def _infer_weight_grad(self, types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
        if len(types) != 2:
            raise ValueError(f"wants 2 operands, got {len(types)}")
        x, g = types
        check_quantized(x, "x", DTYPES.values())
        _check_gradient(g)
        check_zero_points(attrs, "x_zero")
        (dw,) = self.weight_grad.infer([f32(*x.shape), f32(*g.shape)], attrs)
        if not g.dtype is x.dtype is DType.I8:
            return [dw]
        _check_sums(g.size // g.shape[-1])
        return [TensorType(DType.I32, dw.shape)]

    def _evaluate_weight_grad(self, args: Arrays, attrs: Attrs) -> Results:
        x, g = args
        kind = g.dtype if g.dtype.kind == "f" else np.dtype(np.float64)
        dw = self.weight_grad.evaluate([x.astype(kind) - kind.type(attrs["x_zero"]), g.astype(kind)], attrs)[0]
        exact = np.int32 if g.dtype == x.dtype == np.int8 else np.float32
        return [dw if g.dtype.kind == "f" else dw.astype(exact)]

    # Types and attributes.

    def _whole(self, weights: Sequence[TensorType]) -> TensorType:
        """The type of the weight that the parts are of."""
        for w in weights:
            check_quantized(w, "weights")
        first, axis = weights[0].shape, self.in_axis
        if any(len(w.shape) != len(first) or len(first) <= axis for w in weights):
            raise ValueError(f"weights {', '.join(map(str, weights))} do not fit together")
        rests = {(*w.shape[:axis], *w.shape[axis + 1 :]) for w in weights}
        if len(rests) > 1:
            raise ValueError(f"parts {', '.join(map(str, weights))} differ besides axis {axis}")
        return TensorType(DType.I8, (*first[:axis], sum(w.shape[axis] for w in weights), *first[axis + 1 :]))

    def _shape_of(self, x: Value) -> dict[str, Any]:
        return {"input_shape": x.type.shape} if "strides" in self.shared else {}

    def _kernel_of(self, w: Value) -> dict[str, Any]:
        spatial = tuple(n for a, n in enumerate(w.type.shape) if a not in (self.in_axis, self.out_axis))
        return {"kernel": spatial} if "strides" in self.shared else {}

    def _float_operands(self, node: Node) -> list[TensorType]:
        return [node.inputs[0].type, self._whole([v.type for v in node.inputs[1 : parts(node.attrs) + 1]])]

    def _float_gradient_operands(self, node: Node) -> list[TensorType]:
        found = types_of([v.type for v in node.inputs], node.attrs, parts(node.attrs))
        return [found.g, self._whole(found.own)]

    @staticmethod
    def _with_floats(
        macs: Callable[[Node], int], operands: Callable[[Node], list[TensorType]]
    ) -> Callable[[Node], int]:
        """The count of the float op, which knows weights in one part only."""

        def count(node: Node) -> int:
            inputs = [Value("", t) for t in operands(node)]
            name = node.op.removeprefix("q")
            return macs(Node(name, inputs, node.outputs, node.attrs))

        return count


_CONSTANTS = ("bias", "scale", "multiplier")


def parts(attrs: Attrs) -> int:
    """Of how many operands the weight consists."""
    count = attrs.get("parts", 1)
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"parts is {count}, not an integer of at least 1")
    return count


def _parts_attr(count: int) -> Mapping[str, int]:
    return {"parts": count} if count > 1 else {}


def _check_sums(terms: int) -> None:
    """Raises ValueError where int32 could overflow."""
    if terms * 255 * 128 > _INT32_MAX:
        raise ValueError(f"sums of {terms} products may exceed int32")


def _check_gradient(g: TensorType) -> None:
    if g.dtype not in (DType.F32, DType.I8, DType.I16):
        raise ValueError(f"gradient {g} is not f32, i8 or i16")


def asked_mask(emit: Emit, node: Node) -> Value:
    """The mask of a node, which computes it from now on."""
    return node.outputs[1] if node.attrs.get("mask") else emit.extend(node, mask=True)[0]


def without_mask(emit: Emit, node: Node) -> Sequence[Value | None]:
    """`OpDef.inference` of ops with a mask."""
    attrs = {k: v for k, v in node.attrs.items() if k != "mask"}
    y = emit(node.op, *node.inputs, **attrs)
    return [y, None][: len(node.outputs)]
