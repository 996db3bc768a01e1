"""Scaled dot-product attention: softmax(q k^T scale + mask) v."""

import math

import numpy as np

from gradlet.frontends.pytorch.broadcast import binary, scaled
from gradlet.frontends.pytorch.builder import Builder, Operand, UnsupportedError
from gradlet.frontends.pytorch.converters.activation import softmax
from gradlet.frontends.pytorch.converters.dense import matmul
from gradlet.frontends.pytorch.converters.dropout import dropout
from gradlet.frontends.pytorch.converters.shape import transpose
from gradlet.frontends.pytorch.tensor import Parameter, Tensor, natural
from gradlet.ir.graph import Role


def attention(
    b: Builder,
    query: Operand,
    key: Operand,
    value: Operand,
    attn_mask: Operand | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    if query.shape[:-2] != key.shape[:-2] and enable_gqa:
        raise UnsupportedError("attention whose heads share keys (enable_gqa)")
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = scaled(b, matmul(b, query, transpose(b, key, -2, -1)), factor)
    mask = _causal(b, query, key) if is_causal else _added(b, attn_mask)
    if mask is not None:
        scores = binary(b, "add", scores, mask)
    shares, _ = dropout(b, softmax("softmax")(b, scores, -1), dropout_p)
    return matmul(b, shares, value)


def _causal(b: Builder, query: Operand, key: Operand) -> Tensor:
    """Nothing looks at what comes behind it."""
    return _constant(b, np.tri(query.shape[-2], key.shape[-2], dtype=bool))


def _added(b: Builder, mask: Operand | None) -> Operand | None:
    """What is added to the scores."""
    if not isinstance(mask, Parameter) or mask.array.dtype != bool:
        return mask
    return _constant(b, mask.array)


def _constant(b: Builder, seen: np.ndarray) -> Tensor:
    mask = np.where(seen, np.float32(0), np.float32(-np.inf))
    return b.laid(b.constant("mask", mask, Role.BUFFER), natural(mask.ndim))


CONVERTERS = {"aten.scaled_dot_product_attention.default": attention}
