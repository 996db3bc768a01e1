"""A whole compilation between frontend and backend: the passes, the inference that belongs to the step, both plans."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from gradlet.ir.graph import Graph
from gradlet.ir.memory_plan import MemoryPlan
from gradlet.ir.op_def import OpSet
from gradlet.ir.options import Call
from gradlet.ir.passes import Context, Pass
from gradlet.ir.program import Program
from gradlet.ir.verifier import verify
from gradlet.optimizers.inference import inference_graph
from gradlet.optimizers.pass_manager import PassManager, PassRecord
from gradlet.optimizers.passes.early_update import EarlyUpdate
from gradlet.optimizers.passes.place_buffers import place
from gradlet.optimizers.pipelines import make_passes


def optimise(
    program: Program,
    context: Context,
    pipeline: list[Call],
    *,
    dump_dir: Path | None = None,
    check: Callable[[Pass | None, Graph], None] | None = None,
    stop_after: str | None = None,
    skip: Collection[str] = (),
) -> list[PassRecord]:
    """Applies a pipeline to `program.graph`, then makes `program.infer`; both share the arena and its inputs.

    The arguments are those of `PassManager`. Returns what each pass did.
    """
    manager = PassManager(context, make_passes(context.toolbox, pipeline), dump_dir, check, stop_after, skip)
    records = manager.run(program.graph)
    program.pipeline += [record.text for record in records]
    if program.trains:
        program.infer = inference_graph(program.graph, context.ops)
        EarlyUpdate().run(program.infer, context)
        verify(program.infer, context.ops)
        share_arena(program, context.ops)
    return records


def share_arena(program: Program, ops: OpSet) -> None:
    """Plans the inference in the arena of the step, every input that both have at one offset.

    Where that makes the arena larger than the step alone needs, the inference is placed first and the step fitted
    around its inputs; the lower of the two arenas wins.
    """
    step, infer = program.graph, program.infer
    assert infer is not None
    if step.plan is None:
        return
    alignment, algorithm = step.plan.alignment, step.plan.algorithm
    infer.plan = place(infer, ops, alignment, algorithm, _input_offsets(step, step.plan))
    if infer.plan.arena_bytes <= step.plan.arena_bytes:
        return
    alone = place(infer, ops, alignment, algorithm)
    around = place(step, ops, alignment, algorithm, _input_offsets(infer, alone))
    if max(alone.arena_bytes, around.arena_bytes) < infer.plan.arena_bytes:
        step.plan, infer.plan = around, alone


def _input_offsets(graph: Graph, plan: MemoryPlan) -> dict[str, int]:
    offsets = plan.offsets()
    return {v.name: offsets[v] for v in graph.inputs}
