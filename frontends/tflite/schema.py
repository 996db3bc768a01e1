"""The part of TensorFlow Lite's schema that is read, as data: a test compares it with TensorFlow's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Field:
    """A field of a table.

    Attributes:
        id: Its number in the schema.
        kind: A scalar, `string`, a table, `[...]` for a vector; `union`, told by the field `<name>_type`, which comes
            before; `present` for what is not read, but must not be there.
        default: Where the file leaves it out.
    """

    name: str
    id: int
    kind: str
    default: Any = None


@dataclass(frozen=True)
class Schema:
    """What a kind of flatbuffer holds.

    Attributes:
        damaged: What is said of bytes that are none.
        identifier: Bytes 4 to 7.
        root: The outermost table.
        unions: Of each field that is one: its tables by their number.
    """

    damaged: str
    identifier: bytes
    root: str
    tables: Mapping[str, tuple[Field, ...]]
    unions: Mapping[str, Mapping[int, str]]


def fields(*described: tuple[Any, ...]) -> tuple[Field, ...]:
    return tuple(Field(*each) for each in described)


_FUSED = ("fused_activation_function", 0, "int8", 0)

TABLES: dict[str, tuple[Field, ...]] = {
    "Model": fields(
        ("version", 0, "uint32", 0),
        ("operator_codes", 1, "[OperatorCode]"),
        ("subgraphs", 2, "[SubGraph]"),
        ("buffers", 4, "[Buffer]"),
        ("metadata", 6, "[Metadata]"),
    ),
    "Metadata": fields(("name", 0, "string", ""), ("buffer", 1, "uint32", 0)),
    "OperatorCode": fields(
        ("deprecated_builtin_code", 0, "int8", 0),
        ("custom_code", 1, "string", ""),
        ("builtin_code", 3, "int32", 0),
    ),
    "SubGraph": fields(
        ("tensors", 0, "[Tensor]"),
        ("inputs", 1, "[int32]", ()),
        ("outputs", 2, "[int32]", ()),
        ("operators", 3, "[Operator]"),
    ),
    "Tensor": fields(
        ("shape", 0, "[int32]", ()),
        ("type", 1, "int8", 0),
        ("buffer", 2, "uint32", 0),
        ("name", 3, "string", ""),
        ("quantization", 4, "QuantizationParameters"),
        ("is_variable", 5, "bool", False),
        ("sparsity", 6, "present", False),
        ("shape_signature", 7, "[int32]", ()),
        ("external_buffer", 10, "uint32", 0),
    ),
    "QuantizationParameters": fields(
        ("scale", 2, "[float32]", ()),
        ("zero_point", 3, "[int64]", ()),
        ("details_type", 4, "uint8", 0),
        ("quantized_dimension", 6, "int32", 0),
    ),
    "Operator": fields(
        ("opcode_index", 0, "uint32", 0),
        ("inputs", 1, "[int32]", ()),
        ("outputs", 2, "[int32]", ()),
        ("builtin_options_type", 3, "uint8", 0),
        ("builtin_options", 4, "union"),
    ),
    "Buffer": fields(
        ("data", 0, "[uint8]"),
        ("offset", 1, "uint64", 0),
        ("size", 2, "uint64", 0),
    ),
    "Conv2DOptions": fields(
        ("padding", 0, "int8", 0),
        ("stride_w", 1, "int32", 0),
        ("stride_h", 2, "int32", 0),
        ("fused_activation_function", 3, "int8", 0),
        ("dilation_w_factor", 4, "int32", 1),
        ("dilation_h_factor", 5, "int32", 1),
    ),
    "DepthwiseConv2DOptions": fields(
        ("padding", 0, "int8", 0),
        ("stride_w", 1, "int32", 0),
        ("stride_h", 2, "int32", 0),
        ("depth_multiplier", 3, "int32", 0),
        ("fused_activation_function", 4, "int8", 0),
        ("dilation_w_factor", 5, "int32", 1),
        ("dilation_h_factor", 6, "int32", 1),
    ),
    "Pool2DOptions": fields(
        ("padding", 0, "int8", 0),
        ("stride_w", 1, "int32", 0),
        ("stride_h", 2, "int32", 0),
        ("filter_width", 3, "int32", 0),
        ("filter_height", 4, "int32", 0),
        ("fused_activation_function", 5, "int8", 0),
    ),
    "FullyConnectedOptions": fields(_FUSED, ("weights_format", 1, "int8", 0), ("keep_num_dims", 2, "bool", False)),
    "SoftmaxOptions": fields(("beta", 0, "float32", 0.0)),
    "ConcatenationOptions": fields(("axis", 0, "int32", 0), ("fused_activation_function", 1, "int8", 0)),
    "AddOptions": fields(_FUSED),
    "MulOptions": fields(_FUSED),
    "SubOptions": fields(_FUSED),
    "DivOptions": fields(_FUSED),
    "ReducerOptions": fields(("keep_dims", 0, "bool", False)),
    "TransposeConvOptions": fields(
        ("padding", 0, "int8", 0),
        ("stride_w", 1, "int32", 0),
        ("stride_h", 2, "int32", 0),
        ("fused_activation_function", 3, "int8", 0),
    ),
    "MirrorPadOptions": fields(("mode", 0, "int8", 0)),
    "ResizeBilinearOptions": fields(("align_corners", 2, "bool", False), ("half_pixel_centers", 3, "bool", False)),
    "ResizeNearestNeighborOptions": fields(
        ("align_corners", 0, "bool", False), ("half_pixel_centers", 1, "bool", False)
    ),
    "SpaceToDepthOptions": fields(("block_size", 0, "int32", 0)),
    "DepthToSpaceOptions": fields(("block_size", 0, "int32", 0)),
    "StridedSliceOptions": fields(
        ("begin_mask", 0, "int32", 0),
        ("end_mask", 1, "int32", 0),
        ("ellipsis_mask", 2, "int32", 0),
        ("new_axis_mask", 3, "int32", 0),
        ("shrink_axis_mask", 4, "int32", 0),
        ("offset", 5, "bool", False),
    ),
    "PackOptions": fields(("axis", 1, "int32", 0)),
    "UnpackOptions": fields(("num", 0, "int32", 0), ("axis", 1, "int32", 0)),
    "GatherOptions": fields(("axis", 0, "int32", 0), ("batch_dims", 1, "int32", 0)),
    "LeakyReluOptions": fields(("alpha", 0, "float32", 0.0)),
    "GeluOptions": fields(("approximate", 0, "bool", False)),
    "BatchMatMulOptions": fields(("adj_x", 0, "bool", False), ("adj_y", 1, "bool", False)),
}

# The tables of Operator.builtin_options that are read.
UNIONS = {
    1: "Conv2DOptions",
    2: "DepthwiseConv2DOptions",
    5: "Pool2DOptions",
    8: "FullyConnectedOptions",
    9: "SoftmaxOptions",
    10: "ConcatenationOptions",
    11: "AddOptions",
    15: "ResizeBilinearOptions",
    19: "SpaceToDepthOptions",
    21: "MulOptions",
    23: "GatherOptions",
    27: "ReducerOptions",
    28: "SubOptions",
    29: "DivOptions",
    32: "StridedSliceOptions",
    49: "TransposeConvOptions",
    59: "PackOptions",
    64: "UnpackOptions",
    74: "ResizeNearestNeighborOptions",
    75: "LeakyReluOptions",
    77: "MirrorPadOptions",
    94: "DepthToSpaceOptions",
    101: "BatchMatMulOptions",
    116: "GeluOptions",
}

MODEL = Schema("the file is no TFLite model, or a damaged one", b"TFL3", "Model", TABLES, {"builtin_options": UNIONS})

PADDINGS = ("SAME", "VALID")
ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
_TENSOR_TYPES = (
    "FLOAT32 FLOAT16 INT32 UINT8 INT64 STRING BOOL INT16 COMPLEX64 INT8 FLOAT64 COMPLEX128 UINT64 RESOURCE VARIANT "
    "UINT32 UINT16 INT4 BFLOAT16 INT2 UINT4"
)
TENSOR_TYPES = tuple(_TENSOR_TYPES.split())
CUSTOM = "CUSTOM"
# The entry of Model.metadata that is of tflite-support's schema.
METADATA_ENTRY = "TFLITE_METADATA"

# By their number.
_OPERATORS = (
    "ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR "
    "FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC "
    "LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH "
    "SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN "
    "GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM "
    "STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM "
    "CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN "
    "TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN "
    "FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV "
    "REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE "
    "MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG "
    "QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND "
    "SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO "
    "RFFT2D CONV_3D IMAG REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL "
    "CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE "
    "RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX "
    "UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT STABLEHLO_LOGISTIC "
    "STABLEHLO_ADD STABLEHLO_DIVIDE STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM STABLEHLO_RESHAPE STABLEHLO_CLAMP "
    "STABLEHLO_CONCATENATE STABLEHLO_BROADCAST_IN_DIM STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL "
    "STABLEHLO_REDUCE STABLEHLO_ABS STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR "
    "STABLEHLO_LOG STABLEHLO_MINIMUM STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER "
    "STABLEHLO_RSQRT STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER STABLEHLO_COMPARE "
    "STABLEHLO_CONVERT STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_PAD STABLEHLO_IOTA "
    "STABLEHLO_DOT_GENERAL STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE STABLEHLO_GATHER "
    "STABLEHLO_TRANSPOSE DILATE STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT "
    "STABLEHLO_CBRT STABLEHLO_CASE"
)
OPERATORS = tuple(_OPERATORS.split())
