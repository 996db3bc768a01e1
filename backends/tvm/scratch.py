"""Working memory of functions: what one stage hands to the next, as parameters, so that it can lie in the arena."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from gradlet.backends.tvm.package import s_tir, tirx, tvm

# Bytes: pieces of one function lie one after the other.
ALIGNMENT = 4


@dataclass(frozen=True)
class Piece:
    """One tensor of working memory, at `offset` bytes into that of its function."""

    shape: tuple[int, ...]
    dtype: str
    offset: int

    @property
    def end(self) -> int:
        size = math.prod(self.shape) * element_bytes(self.dtype)
        return self.offset + -(-size // ALIGNMENT) * ALIGNMENT


def element_bytes(dtype: str) -> int:
    return -(-tvm.DataType(dtype).bits // 8)


def take_out(function: Any) -> tuple[Any, list[Any]]:
    """The function without the buffers that it allocates in memory, and these; what is in registers stays."""
    outer = function.body
    block = outer.block
    taken = [b for b in block.alloc_buffers if b.scope() == "global"]
    stay = [b for b in block.alloc_buffers if b.scope() != "global"]
    inner = s_tir.SBlock(
        block.iter_vars,
        block.reads,
        block.writes,
        block.name_hint,
        block.body,
        block.init,
        stay,
        block.match_buffers,
        block.annotations,
    )
    body = s_tir.SBlockRealize(outer.iter_values, outer.predicate, inner)
    return tirx.PrimFunc(function.params, body, function.ret_type, function.attrs), taken


def pieces(buffers: list[Any]) -> tuple[Piece, ...]:
    """Where in the working memory of their function these buffers lie."""
    laid: list[Piece] = []
    for buffer in buffers:
        shape = tuple(int(n) for n in buffer.shape)
        laid.append(Piece(shape, str(buffer.dtype), laid[-1].end if laid else 0))
    return tuple(laid)
