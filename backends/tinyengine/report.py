"""What is known about a compiled program before it runs."""

from __future__ import annotations

from typing import Any

from gradlet.backends.tinyengine.model import Model
from gradlet.ir.memory_plan import lower_bound


def report(model: Model) -> dict[str, Any]:
    """Bytes and choices; what a build or a run has to measure is None."""
    constants = sum(v.bytes for v in model.variables if not v.mutable)
    initial = sum(v.bytes for v in model.mutable if not v.is_zero)
    peak = max(lower_bound(r.plan.slots) for r in model.routines)
    memory = {
        "arena": model.arena_bytes,
        "arena_lower_bound": peak,
        "state": model.state_bytes,
        "static": None,
        "stack": None,
        "sram_total": None,
        "flash_weights": constants + initial,
        "flash_code": None,
        "flash_total": None,
    }
    kernels = {
        r.symbol.removeprefix(f"{model.name}_"): [r.kernels[n].choice(n).kernel for n in r.graph.nodes]
        for r in model.routines
    }
    return {"memory": memory, "kernels": kernels, "save_bytes": model.save_bytes if model.mutable else 0}
