"""Whether a program fits the memory of its target, and what would."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, written_states
from gradlet.ir.options import Call
from gradlet.ir.program import Program
from gradlet.ir.target import Target
from gradlet.optimizers.layers import find_layers
from gradlet.optimizers.memory_report import alive_at_peak, print_alive

# Compiles the model anew with another scheme.
Retry = Callable[[Call], Program]


@dataclass(frozen=True)
class Need:
    """Bytes of SRAM that a program takes; static data of the emitted code is not known yet."""

    arena: int
    state: int
    stack: int

    @property
    def total(self) -> int:
        return self.arena + self.state + self.stack

    def __str__(self) -> str:
        return f"{self.total:,} bytes: arena {self.arena:,}, changing state {self.state:,}, stack {self.stack:,}"


def need_of(program: Program, target: Target) -> Need:
    """What a planned program takes; both of its graphs share one arena."""
    arena = max((g.plan.arena_bytes for g in program.graphs if g.plan), default=0)
    states = [-(-v.type.bytes // target.alignment) * target.alignment for v in written_states(program.graph)]
    return Need(arena, sum(states), target.stack_bytes)


def check_fit(program: Program, target: Target, model: Graph, scheme: Call | None, retry: Retry | None = None) -> None:
    """Raises GL230 if the program needs more SRAM than the target has.

    Args:
        program: With its plans.
        target: Where it is to run.
        model: The graph before any pass.
        scheme: The sparse update scheme in use; None if the pipeline has none.
        retry: Compiles the model with another scheme; None: there is no way back to the model.
    """
    if target.sram is None:
        return
    need, room = need_of(program, target), target.sram.bytes
    if need.total <= room:
        return
    what = f"{program.name} needs {need.total - room:,} bytes more SRAM than the {room:,} of {target.name}: {need}"
    advice = _advice(program, target, model, scheme, retry)
    raise CompileError("GL230", what, hint=f"{advice}\nalive when the arena is fullest:\n{_peak_table(program)}")


def _peak_table(program: Program) -> str:
    graph = max(program.graphs, key=lambda g: g.plan.arena_bytes if g.plan else 0)
    assert graph.plan is not None
    return print_alive(alive_at_peak(graph, graph.plan))


def _advice(program: Program, target: Target, model: Graph, scheme: Call | None, retry: Retry | None) -> str:
    if retry is None:
        return "compile the model itself for this target: schemes that fit are found"
    if not program.trains:
        return "the inference alone does not fit: use a smaller batch, input or model, or a larger target"
    if scheme is None:
        return "let less learn (pass sparse_update), use a smaller batch, or a larger target"
    found = smallest_change(target, model, scheme, retry)
    if found is None:
        return "not even scheme head_only fits: use a smaller batch, input or model, or a larger target"
    smaller, need = found
    return f"scheme {smaller} would fit, with {need}"


def smallest_change(target: Target, model: Graph, scheme: Call, retry: Retry) -> tuple[Call, Need] | None:
    """Of the schemes that fit, the one that lets the most parameters learn, and what it needs.

    Tried are smaller parts of the scheme's weights, then the last layers and the biases of the last layers, as many
    as fit.
    """
    assert target.sram is not None
    fitting: list[tuple[int, Call, Need]] = []

    def fits(candidate: Call) -> bool:
        try:
            program = retry(candidate)
        except CompileError:
            return False  # a scheme this model has no layers for
        need = need_of(program, target)
        fit = target.sram is not None and need.total <= target.sram.bytes
        if fit:
            fitting.append((learning(program.graph), candidate, need))
        return fit

    if not fits(Call("head_only")):
        return None  # all others learn more
    layers = len(find_layers(model)[0])
    _first(_with_ratios(scheme), fits)
    most = _most(layers, lambda k: fits(Call(f"last_{k}")))
    if most < layers:
        _first(_with_ratios(Call(f"last_{most + 1}")), fits)
    _most(layers, lambda k: fits(Call(f"bias_last_{k}")))
    _, best, need = max(fitting, key=lambda f: (f[0], -f[2].total))
    return best, need


def learning(graph: Graph) -> int:
    """How many numbers of the parameters learn."""
    return sum(state.learning for state in graph.states)


def _with_ratios(scheme: Call) -> Iterator[Call]:
    """The scheme with smaller and smaller parts of its weights."""
    options = dict(scheme.options)
    for ratio in (0.75, 0.5, 0.25, 0.125):
        if ratio < float(options.get("ratio", 1.0)):
            yield Call(scheme.name, tuple({**options, "ratio": str(ratio)}.items()))


def _first(candidates: Iterable[Call], fits: Callable[[Call], bool]) -> None:
    any(fits(candidate) for candidate in candidates)


def _most(high: int, fits: Callable[[int], bool]) -> int:
    """The largest k up to `high` that fits, 0 if none does; fewer layers never need more."""
    low = 0
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low
