"""What early update and gradients in parts save: the arena with all gradients kept to the end, reordered, and divided.

python -m gradlet.benchmarks.arena [--json FILE]     or: ./bazelw run //benchmarks:arena

Every model of the equivalence tests at the resolution of its field, batch 1, everything learning and a sparse scheme,
and an 8-layer MLP of equal widths. Bytes are exact: nothing is timed. The ratio is that of the first to the last
arena. The losses with and without early update are compared bit by bit over three steps; the products of numpy are
summed in an order that depends on their size, so that those with divided gradients may differ by rounding.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

import numpy as np
from rich.console import Console
from rich.table import Table

from gradlet.backends.reference.executor import Executor
from gradlet.frontends.pytorch.importer import import_module
from gradlet.ir import files
from gradlet.ir.graph import Graph, Phase
from gradlet.ir.passes import Context
from gradlet.ir.plugin import Toolbox, load
from gradlet.ir.program import Program
from gradlet.optimizers.compilation import optimize
from gradlet.tests.models.initialisation import he
from gradlet.tests.models.mlp import mlp
from gradlet.tests.models.zoo import MODELS
from gradlet.tools.checks import sample
from gradlet.tools.paths import user_path

SCHEMES = {"full": "full", "sparse": "last_4{ratio=0.5}"}
WIDTH, LAYERS, STEPS = 64, 8, 3
COLUMNS = (
    "model",
    "scheme",
    "kept to the end, B",
    "early update, B",
    "and split, B",
    "ratio",
    "lower bound, B",
    "updates",
    "same losses",
)
# Passes left out of the pipeline of each column.
PIPELINES = {"kept": ("train_late_update", ()), "early": ("train", ("split_updates",)), "split": ("train", ())}


def programs(tools: Toolbox) -> Iterator[tuple[str, Program]]:
    """Forward graphs, made anew at each call: passes change them."""
    import torch

    wide = he(mlp((WIDTH,) * (LAYERS + 1)))
    yield f"mlp {LAYERS}x{WIDTH}", import_module(wide, (torch.zeros(1, WIDTH),), name="wide", toolbox=tools)
    for name, case in MODELS.items():
        module, x = case.make(usual=True), case.sample(1, usual=True)
        yield name, import_module(module, (x,), name=name, toolbox=tools)


def compiled(program: Program, column: str, scheme: str, tools: Toolbox) -> Program:
    pipeline, skipped = PIPELINES[column]
    return optimize(program, Context(tools), pipeline, options={"sparse_update": {"scheme": scheme}}, skip=skipped)


def losses(program: Program, tools: Toolbox) -> list[float]:
    executor, graph = Executor(program.graph, tools.ops), program.graph
    feeds = [{v.name: sample(v, seed) for v in graph.inputs} for seed in range(STEPS)]
    return [float(executor.run(feed)[graph.outputs[0].name]) for feed in feeds]


def rows(tools: Toolbox) -> Iterator[dict[str, object]]:
    for scheme, text in SCHEMES.items():
        for made in zip(*(programs(tools) for _ in PIPELINES), strict=True):
            columns = zip(PIPELINES, made, strict=True)
            late, early, split = (compiled(program, column, text, tools) for column, (_, program) in columns)
            kept, reordered, divided = late.graph.plan, early.graph.plan, split.graph.plan
            assert kept and reordered and divided
            yield {
                "model": made[0][0],
                "scheme": scheme,
                "kept": kept.arena_bytes,
                "early": reordered.arena_bytes,
                "split": divided.arena_bytes,
                "ratio": kept.arena_bytes / divided.arena_bytes,
                "bound": divided.lower_bound,
                "updates": updates(split.graph) - updates(early.graph),
                "identical": bool(np.array_equal(losses(late, tools), losses(early, tools))),
            }


def updates(graph: Graph) -> int:
    return sum(node.phase is Phase.UPDATE for node in graph.nodes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    args = parser.parse_args()
    console, table = Console(), Table(box=None)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in COLUMNS[:2] else "right")
    with console.status("planning"):
        found = list(rows(load(installed=False)))
    for r in found:
        numbers = [f"{r[c]:,}" for c in PIPELINES] + [f"{r['ratio']:.2f}", f"{r['bound']:,}", f"+{r['updates']}"]
        table.add_row(str(r["model"]), str(r["scheme"]), *numbers, "yes" if r["identical"] else "NO")
    console.print(table)
    if args.json:
        files.write_bytes(user_path(args.json), (json.dumps(found, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
