"""What gradients in parts cost: instructions and code of a training step on an emulated Cortex-M7, before and after.

python -m gradlet.benchmarks.split_updates      or: ./bazelw run //benchmarks:split_updates

The models of the benchmark of the arena that an emulator runs in a second, everything learning, batch 1, on an
STM32F746 with memories as large as the models need. Nothing is timed: the figures are exact.
"""

from __future__ import annotations

from dataclasses import replace

from gradlet.benchmarks.arena import programs
from gradlet.ir.plugin import Toolbox, load
from gradlet.ir.program import Program
from gradlet.ir.target import Memory, Target
from gradlet.optimizers.compilation import optimize
from gradlet.tools.api import context_of
from gradlet.tools.checks import sample

MODELS = ("mlp 8x64", "mlp", "lenet5", "resnet8")
RULES = ("sgd", "momentum", "adam")
AMPLE = 4 << 20


def roomy(target: Target) -> Target:
    assert target.sram and target.flash
    return replace(target, sram=Memory(target.sram.base, AMPLE), flash=Memory(target.flash.base, AMPLE))


def measured(
    program: Program, tools: Toolbox, target: Target, rule: str, skip: tuple[str, ...]
) -> tuple[int, int, int]:
    """Bytes of the arena, instructions of a step, bytes of code."""
    backend = tools.get("backends", target.backend)
    optimize(program, context_of(tools, target, backend), options={"differentiate": {"update": rule}}, skip=skip)
    session = backend.open(program, target, tools)
    try:
        session.train_step({v.name: sample(v, 0) for v in program.graph.inputs})
        memory = session.memory()
        return memory["arena"], session.instructions, memory["flash_code"]
    finally:
        session.close()


def main() -> None:
    tools = load(installed=False)
    target = roomy(tools.get("targets", "stm32f746"))
    print(f"{'model':10} {'rule':9} {'arena, B':>20} {'instructions':>26} {'':>7} {'code, B':>18}")
    for rule in RULES:
        for (name, whole), (_, parts) in zip(programs(tools), programs(tools), strict=True):
            if name in MODELS:
                before = measured(whole, tools, target, rule, ("split_updates",))
                after = measured(parts, tools, target, rule, ())
                arena, count, code = (f"{a:,} to {b:,}" for a, b in zip(before, after, strict=True))
                print(f"{name:10} {rule:9} {arena:>20} {count:>26} {after[1] / before[1] - 1:+7.1%} {code:>18}")


if __name__ == "__main__":
    main()
