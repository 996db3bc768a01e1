"""Makes a float program one of integers: folds, measures, chooses ranges, rounds, converts, and says how it went."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Node, Value
from gradlet.ir.options import to_call
from gradlet.ir.passes import Context
from gradlet.ir.program import Program
from gradlet.ir.verifier import verify
from gradlet.optimizers.layers import find_layers
from gradlet.optimizers.pass_manager import PassManager
from gradlet.optimizers.pipelines import make_passes, parse_pipeline
from gradlet.optimizers.quantization.calibration import Feed, calibrate
from gradlet.optimizers.quantization.convert import Conversion
from gradlet.optimizers.quantization.layers import make_layers
from gradlet.optimizers.quantization.options import QuantizeOptions
from gradlet.optimizers.quantization.plan import Plan, make_plan
from gradlet.optimizers.quantization.qat import rounded_states, with_fake_quantize
from gradlet.optimizers.quantization.ranges import Range, choose
from gradlet.optimizers.quantization.refine import Refinement, rounding_of
from gradlet.optimizers.quantization.report import QuantizationReport, TensorReport, compare, in_float
from gradlet.optimizers.quantization.rule import Setting
from gradlet.optimizers.quantization.scales import Quantization, limited, of_range
from gradlet.optimizers.quantization.statistics import Statistics

Train = Callable[[Graph, Graph], Mapping[str, np.ndarray]]

_NOTHING: Mapping[Value, Range] = {}
# Samples that the float and the int8 graph are compared on.
_COMPARED = 32


def prepare(program: Program, context: Context, pipeline: str = "forward") -> None:
    """Runs passes that leave a forward graph in which batch norms and activations are part of the layers."""
    graph = program.graph
    if any(v.type.quant for v in graph.values()):
        raise CompileError("GL242", f"{graph.name} is int8 already", hint="leave --quantize out")
    norm = next((n for n in graph.nodes if n.op == "batch_norm_train"), None)
    if norm:
        hint = "call eval() of the module before it is compiled"
        raise CompileError("GL242", f"{graph.name} has batch norms in training mode", norm.loc, hint)
    passes = make_passes(context.toolbox, parse_pipeline(f"spread_transposed,{pipeline}"))
    program.pipeline += [record.text for record in PassManager(context, passes).run(graph)]


def quantize(
    program: Program,
    context: Context,
    feeds: Sequence[Feed],
    options: QuantizeOptions,
    *,
    new_head: bool = False,
    least: Mapping[Value, Range] = _NOTHING,
    train: Train | None = None,
) -> QuantizationReport:
    """Turns `program.graph`, which `prepare` has left, into int8.

    Args:
        feeds: Samples, each a whole batch for every input of the graph.
        new_head: Whether the head has just been drawn: with `head=auto` it then stays in float32.
        least: Ranges that tensors have at least, whatever the samples say.
        train: Trains the graph with everything rounded (`with_fake_quantize`), beside the exact one; returns states by
            name. None takes the parameters as they are.

    Raises:
        CompileError: GL240 and GL241 for what is wrong with the samples.
    """
    graph, ops = program.graph, context.ops
    setting = Setting(graph, ops, options)
    plan = make_plan(setting, context.toolbox.converters("int8"), _kept(graph, options, new_head))
    statistics = calibrate(graph, ops, feeds, plan.measured)
    params = choose_params(plan, statistics, options, {state.value for state in graph.states}, least)
    layers = make_layers(graph, plan, params, options.weights == "per_tensor")
    exact = [state.init for state in graph.states]
    if train:
        learned = train(with_fake_quantize(graph, ops, plan, params, layers), graph)
        for state in graph.states:
            state.init = learned.get(state.name, state.init)
        layers = rounded_states(graph, layers)
    rounding = rounding_of(options.rounding)
    if rounding or options.correct_bias:
        layers = Refinement(graph, ops, plan, params, layers, rounding, options.correct_bias).run(feeds)
    conversion = Conversion(graph, ops, plan, params, layers)
    int8 = conversion.write(options.inputs != "float32")
    verify(int8, ops)
    for state, init in zip(graph.states, exact, strict=True):
        state.init = init
    program.graph = int8
    program.pipeline.append(str(to_call("int8", options)))
    return _report(graph, int8, context, feeds, options, plan, params, conversion)


def _kept(graph: Graph, options: QuantizeOptions, new_head: bool) -> list[Node]:
    """The head, if it stays in float32."""
    in_float = new_head if options.head == "auto" else options.head == "float32"
    head = find_layers(graph)[1] if in_float else None
    return [head.node] if head else []


def choose_params(
    plan: Plan,
    statistics: Mapping[Value, Statistics],
    options: QuantizeOptions,
    constants: Collection[Value] = (),
    least: Mapping[Value, Range] = _NOTHING,
) -> dict[Value, Quantization]:
    """Root of a group -> its scale and zero point: the ranges of all tensors that were measured, put together.

    Args:
        constants: Tensors that may well be 0 throughout.
        least: Ranges that tensors, and all of their groups, have at least, within the clamp of their op.
    """
    symmetric, bits = options.activations != "asymmetric", options.bits
    ranges: dict[Value, Range] = {}
    wider = {plan.root(value): range_ for value, range_ in least.items() if value in plan.roots}
    for value in plan.measured:
        root = plan.root(value)
        found = choose(options.ranges, statistics[value], symmetric=symmetric, levels=2**bits)
        if root in wider:
            found = min(found[0], wider[root][0]), max(found[1], wider[root][1])
        low, high = limited((0.0, 1.0) if value in constants and found == (0.0, 0.0) else found, value)
        before = ranges.get(root, (low, high))
        ranges[root] = min(low, before[0]), max(high, before[1])
    return {root: of_range(range_, symmetric, bits) for root, range_ in ranges.items()}


def _report(
    graph: Graph,
    int8: Graph,
    context: Context,
    feeds: Sequence[Feed],
    options: QuantizeOptions,
    plan: Plan,
    params: Mapping[Value, Quantization],
    conversion: Conversion,
) -> QuantizationReport:
    pairs = {v: (conversion.new(v), params[plan.root(v)]) for v in plan.measured if v.producer}
    batch = max((v.type.shape[0] for v in graph.inputs if v.type.shape), default=1)
    compared = feeds[: max(1, _COMPARED // batch)]
    ratios, outputs = compare(graph, int8, context.ops, compared, pairs)
    tensors = [_tensor(value, quantization, ratios[value]) for value, (_, quantization) in pairs.items()]
    return QuantizationReport(
        str(to_call("int8", options)),
        batch * len(feeds),
        batch * len(compared),
        tensors,
        outputs,
        in_float(plan, graph.nodes),
    )


def _tensor(value: Value, quantization: Quantization, ratio: float | None) -> TensorReport:
    assert value.producer
    node = value.producer
    return TensorReport(node.loc, node.op, quantization.scale, quantization.zero_point, ratio)
