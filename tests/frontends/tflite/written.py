"""Models of single operators, written with TensorFlow's own schema, and its interpreter."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def tensorflow() -> ModuleType:
    return pytest.importorskip("tensorflow", reason="TensorFlow, the witness of this frontend, is not installed")


@dataclass(frozen=True, eq=False)
class Written:
    """A tensor to write.

    Attributes:
        content: Of a constant.
        scales: With `zero`, of integers.
        signature: Its shape with -1 for open sizes.
    """

    shape: Sequence[int]
    dtype: str = "int8"
    content: np.ndarray | None = None
    scales: Sequence[float] = ()
    zero: int = 0
    axis: int = 0
    signature: Sequence[int] = ()


def constant(content: np.ndarray, **more: Any) -> Written:
    return Written(content.shape, content.dtype.name, content, **more)


@dataclass(frozen=True)
class Step:
    """An operator: numbers of tensors, and its options, e.g. `AddOptions` with `fusedActivationFunction`."""

    name: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    table: str = ""
    options: Mapping[str, Any] | None = None
    custom: str = ""
    version: int = 1


def written(tensors: Sequence[Written], steps: Sequence[Step], inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
    tensorflow()
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], [schema.BufferT()], []
    graph.tensors, graph.operators, graph.inputs, graph.outputs = [], [], list(inputs), list(outputs)
    for k, tensor in enumerate(tensors):
        graph.tensors.append(_tensor(schema, tensor, k))
        model.buffers.append(schema.BufferT())
        if tensor.content is not None:
            model.buffers[-1].data = np.frombuffer(tensor.content.tobytes(), np.uint8)
    for k, step in enumerate(steps):
        code, operator = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = getattr(schema.BuiltinOperator, step.name)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), step.version
        code.customCode = step.custom or None
        operator.opcodeIndex, operator.inputs, operator.outputs = k, list(step.inputs), list(step.outputs)
        if step.table:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, step.table)
            operator.builtinOptions = getattr(schema, f"{step.table}T")()
            for name, value in (step.options or {}).items():
                setattr(operator.builtinOptions, name, value)
        model.operatorCodes.append(code)
        graph.operators.append(operator)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(schema: Any, told: Written, number: int) -> Any:
    tensor = schema.TensorT()
    tensor.shape, tensor.type = list(told.shape), getattr(schema.TensorType, told.dtype.upper())
    tensor.buffer, tensor.name = number + 1, f"t{number}"
    tensor.shapeSignature = list(told.signature) or None
    if told.scales:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.quantizedDimension = list(told.scales), told.axis
        tensor.quantization.zeroPoint = [told.zero] * len(told.scales)
    return tensor


def interpreted(
    data: bytes, feed: np.ndarray | Sequence[np.ndarray], tensor: int | None = None, kernels: str = "BUILTIN_REF"
) -> np.ndarray:
    """What TensorFlow's kernels, the reference ones or others, compute: the first output, or another tensor."""
    tf = tensorflow()
    interpreter = tf.lite.Interpreter(
        model_content=data,
        num_threads=1,
        experimental_op_resolver_type=getattr(tf.lite.experimental.OpResolverType, kernels),
        experimental_preserve_all_tensors=tensor is not None,
    )
    interpreter.allocate_tensors()
    feeds = [feed] if isinstance(feed, np.ndarray) else feed
    for detail, array in zip(interpreter.get_input_details(), feeds, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"] if tensor is None else tensor)
