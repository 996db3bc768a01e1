"""dropout, with the random words of ir/random_bits.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.expressions import result
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.masks import flat_index
from gradlet.backends.tvm.package import tirx
from gradlet.backends.tvm.random_words import low, random_words, word
from gradlet.ir.random_bits import threshold


def _dropout(case: Case, x: Read, counter: Read) -> Sequence[Result]:
    rate, shape = case.attrs["rate"], case.result.shape
    words = random_words(case.attrs["seed"], counter)

    def kept(*i: Any) -> Any:
        return words(flat_index(i, shape)) >= word(threshold(rate))

    def element(*i: Any) -> Any:
        return tirx.Select(kept(*i), x(*i) * (1 / (1 - rate)), 0.0)

    following = result(case, lambda: low(counter().astype("uint32").astype("uint64") + 1).astype("int32"), 2)
    return [result(case, element), result(case, kept, 1), following]


KERNELS = {"dropout": Kernel(_dropout)}
