"""A whole compilation between frontend and backend: the passes, the inference that belongs to the step, both plans."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradlet.ir.graph import Graph
from gradlet.ir.memory_plan import MemoryPlan
from gradlet.ir.op_def import OpSet
from gradlet.ir.options import Call
from gradlet.ir.passes import Context, Pass
from gradlet.ir.program import Program
from gradlet.ir.verifier import verify
from gradlet.optimizers.clone import clone
from gradlet.optimizers.fit import check_fit
from gradlet.optimizers.inference import inference_graph
from gradlet.optimizers.pass_manager import PassManager, PassRecord
from gradlet.optimizers.passes.early_update import EarlyUpdate
from gradlet.optimizers.passes.place_buffers import place
from gradlet.optimizers.passes.sparse_update import SparseUpdate
from gradlet.optimizers.pipelines import make_passes, parse_pipeline, with_options


def optimize(
    program: Program,
    context: Context,
    pipeline: str = "train",
    *,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    dump_dir: Path | None = None,
    check: Callable[[Pass | None, Graph], None] | None = None,
    stop_after: str | None = None,
    skip: Collection[str] = (),
    progress: Callable[[PassRecord], None] | None = None,
) -> Program:
    """Applies a pipeline to `program.graph`, then makes `program.infer`; both share the arena and its inputs.

    Args:
        program: What to compile; it is changed, and returned.
        context: Toolbox and target; the passes leave their notes there.
        pipeline: Text, see pipelines.py.
        options: Pass -> option -> value, set on every pass of that name.
        dump_dir: As `PassManager`; so are `check`, `stop_after`, `skip` and `progress`.

    Raises:
        CompileError: whatever is wrong with the pipeline or the options of its passes; GL230 where the result does
            not fit the target.
    """
    calls = parse_pipeline(pipeline, options)
    model, pipeline_before = clone(program.graph), list(program.pipeline)
    passes = make_passes(context.toolbox, calls)
    manager = PassManager(context, passes, dump_dir, check, stop_after, skip, progress)
    program.pipeline += [record.text for record in manager.run(program.graph)]
    add_inference(program, context)

    def retry(scheme: Call) -> Program:
        return _tried(Program(clone(model), None, pipeline_before), context, calls, scheme)

    if context.target and program.graph.plan:
        check_fit(program, context.target, model, _scheme_of(passes), retry)
    return program


def add_inference(program: Program, context: Context) -> None:
    """Makes and plans the inference that belongs to a planned step, if it is one."""
    if not program.trains:
        return
    program.infer = inference_graph(program.graph, context.ops)
    EarlyUpdate().run(program.infer, context)
    verify(program.infer, context.ops)
    context.choose(program.infer)
    share_arena(program, context.ops)


def _scheme_of(passes: Sequence[Pass]) -> Call | None:
    return next((p.scheme for p in passes if isinstance(p, SparseUpdate)), None)


# Enough to tell whether something fits: a worse plan than the final one is never smaller.
_QUICK = {"split_updates": {"width": "4"}, "early_update": {"width": "4"}, "place_buffers": {"algorithm": "by_size"}}


def _tried(program: Program, context: Context, calls: Sequence[Call], scheme: Call) -> Program:
    """The program compiled quickly with another scheme, without notes or checks."""
    silent = replace(context, notes=[])
    options = _QUICK | {"sparse_update": {"scheme": scheme}}
    passes = make_passes(context.toolbox, with_options(calls, options))
    PassManager(silent, passes).run(program.graph)
    add_inference(program, silent)
    return program


def replan(program: Program, context: Context, algorithm: str = "best") -> None:
    """Chooses kernels and places buffers anew: for a finished program on another backend or target."""
    for graph in program.graphs:
        context.choose(graph)
    alignment = context.target.alignment if context.target else 4
    program.graph.plan = place(program.graph, context.ops, alignment, algorithm)
    if program.infer:
        share_arena(program, context.ops)


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
