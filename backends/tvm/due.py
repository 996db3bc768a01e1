"""Updates that are due only every k steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.kernel import Case, Read
from gradlet.backends.tvm.package import tirx


def if_due(case: Case, micro: Sequence[Read], new: Any, old: Any) -> Any:
    """`new` in the step that completes a group of accumulated ones, and wherever nothing is accumulated."""
    if not micro:
        return new
    return tirx.Select((micro[0]() + 1) % case.attrs["every"] == 0, new, old)
