"""neg, exp, log, sqrt, rsqrt, and scale by a constant, element by element."""

from collections.abc import Callable, Sequence

import numpy as np

from gradlet.ir.elementwise import check_count, floats_of_one_shape, positive, slices
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Emit, Example, OpDef, Sampler, normal
from gradlet.ir.tensor_type import DType, TensorType, f32, i32

_Rule = Callable[[Emit, Node, Value], Value]


def _gradient(rule: _Rule) -> Callable[[Emit, Node, Sequence[Value | None]], list[Value | None]]:
    def gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
        assert grads[0] is not None
        return [rule(emit, node, grads[0]) if grads[0].type.dtype.is_float else None]

    return gradient


def _op(
    name: str, evaluate: Callable[[np.ndarray, Attrs], np.ndarray], rule: _Rule, examples: Sequence[Example]
) -> OpDef:
    return OpDef(
        name=name,
        infer=_infer_neg if name == "neg" else floats_of_one_shape(1),
        evaluate=lambda args, attrs: [evaluate(args[0], attrs)],
        gradient=_gradient(rule),
        may_overwrite={0: (0,)},
        slices=slices,
        examples=examples,
    )


def _infer_neg(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    if types[0].dtype in (DType.B1, DType.U8):
        raise ValueError(f"{types[0]} has no negative values")
    return [types[0]]


def _examples(sample: Sampler = normal) -> list[Example]:
    return [Example([f32(2, 3)], sample=sample), Example([f32()], sample=sample)]


def _cube(emit: Emit, y: Value) -> Value:
    return emit("mul", y, emit("mul", y, y))


# The gradients of exp, sqrt and rsqrt read the *output*, which what follows often keeps anyway.
OPS = (
    _op(
        "neg",
        lambda x, attrs: np.negative(x),
        lambda emit, node, g: emit("neg", g),
        [*_examples(), Example([i32(5)], differentiable=())],
    ),
    _op("exp", lambda x, attrs: np.exp(x), lambda emit, node, g: emit("mul", g, node.outputs[0]), _examples()),
    _op("log", lambda x, attrs: np.log(x), lambda emit, node, g: emit("div", g, node.inputs[0]), _examples(positive)),
    _op(
        "sqrt",
        lambda x, attrs: np.sqrt(x),
        lambda emit, node, g: emit("scale", emit("div", g, node.outputs[0]), factor=0.5),
        _examples(positive),
    ),
    _op(
        "rsqrt",
        lambda x, attrs: 1 / np.sqrt(x),
        lambda emit, node, g: emit("scale", emit("mul", g, _cube(emit, node.outputs[0])), factor=-0.5),
        _examples(positive),
    ),
    _op(
        "scale",
        lambda x, attrs: x * float(attrs["factor"]),
        lambda emit, node, g: emit("scale", g, factor=node.attrs["factor"]),
        [Example([f32(2, 3)], {"factor": -0.3}), Example([f32()], {"factor": 2.5})],
    ),
)
