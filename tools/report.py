"""The machine-readable report of a compilation: docs/report.md describes it, `SCHEMA` counts its versions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import gradlet
from gradlet.ir.graph import Graph, Node, Phase, Role, written_states
from gradlet.ir.op_def import OpSet
from gradlet.ir.program import Program
from gradlet.ir.target import Target
from gradlet.optimizers.analytic_memory import analytic_memory
from gradlet.optimizers.memory_report import alive_at_peak

SCHEMA = 1


def make_report(
    program: Program, target: Target, ops: OpSet, artifact: Mapping[str, Any], *, scheme: str, notes: Sequence[str]
) -> dict[str, Any]:
    """Everything known without running the program; what an emulator has to measure is None.

    Args:
        program: Planned.
        target: What it was compiled for.
        ops: The ops it uses.
        artifact: The report of the backend; its `memory` is taken over.
        scheme: What learns, as the user said it.
        notes: What the passes had to say.
    """
    graph = program.graph
    return {
        "schema": SCHEMA,
        "gradlet": gradlet.__version__,
        "model": program.name,
        "target": {"name": target.name, "cpu": target.cpu, "sram": _size(target.sram), "flash": _size(target.flash)},
        "scheme": scheme,
        "pipeline": list(program.pipeline),
        "memory": memory_report(program, artifact.get("memory", {})),
        "analytic_memory": analytic_memory(graph).bytes() if program.trains else None,
        "macs": _macs(graph, ops),
        "instructions": {"forward": None, "train_step": None},
        "learns": _learns(graph),
        "nodes": [_node(i, node, ops) for i, node in enumerate(graph.nodes)],
        "peak": peak(graph),
        "notes": list(notes),
        "metadata": dict(program.metadata),
        "emulation": None,
    }


def _size(memory: Any) -> int | None:
    return memory.bytes if memory else None


def memory_report(program: Program, known: Mapping[str, int | None]) -> dict[str, int | None]:
    """Bytes by kind; None where only a linked program tells."""
    plans = [g.plan for g in program.graphs if g.plan]
    written = written_states(program.graph)
    state = sum(s.value.type.bytes for s in program.graph.states if s.value in written)
    frozen = sum(s.value.type.bytes for s in program.graph.states if s.value not in written)
    memory: dict[str, int | None] = {
        "arena": max((p.arena_bytes for p in plans), default=0),
        "arena_lower_bound": max((p.lower_bound for p in plans), default=0),
        "state": state,
        "static": None,
        "stack": None,
        "flash_total": None,
        "flash_weights": state + frozen,
        "flash_code": None,
    }
    memory |= known
    return {"sram_total": sram_total(memory)} | memory


def sram_total(memory: Mapping[str, int | None]) -> int:
    """What the program needs of the device's RAM: a figure that is not known yet counts as 0."""
    return sum(memory[kind] or 0 for kind in ("arena", "state", "static", "stack"))


def _macs(graph: Graph, ops: OpSet) -> dict[str, int]:
    counts: Counter[Phase] = Counter()
    for node in graph.nodes:
        counts[node.phase] += ops[node.op].macs(node)
    return {"forward": counts[Phase.FORWARD], "backward": counts[Phase.BACKWARD] + counts[Phase.UPDATE]}


def _learns(graph: Graph) -> dict[str, Any]:
    parameters = [s for s in graph.states if s.role is Role.PARAMETER]
    learning = [s for s in parameters if s.trainable]
    return {
        "elements": sum(s.learning for s in learning),
        "of": sum(s.value.type.size for s in parameters),
        "states": [{"name": s.name, "shape": list(s.value.type.shape), "elements": s.learning} for s in learning],
    }


def _node(index: int, node: Node, ops: OpSet) -> dict[str, Any]:
    return {
        "index": index,
        "op": node.op,
        "place": node.loc,
        "phase": node.phase.value,
        "output": str(node.outputs[0].type),
        "bytes": sum(v.type.bytes for v in node.outputs if v.overwrites is None),
        "macs": ops[node.op].macs(node),
        "kernel": node.choice.kernel if node.choice else None,
    }


def peak(graph: Graph) -> list[dict[str, Any]]:
    """What is alive at the fullest step, largest first."""
    return [asdict(alive) for alive in alive_at_peak(graph, graph.plan)] if graph.plan else []
