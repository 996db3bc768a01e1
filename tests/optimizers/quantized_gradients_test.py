"""Passes over gradients of quantised values: fused they are the same, in integers nearly so, the head in order."""

import numpy as np
import pytest

from gradlet.backends.reference.executor import Executor
from gradlet.backends.reference.session import ReferenceSession
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Phase, Role
from gradlet.ir.options import make, parse_calls
from gradlet.ir.passes import Context
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import DType, f32
from gradlet.optimizers.clone import clone
from gradlet.optimizers.compilation import optimize
from gradlet.optimizers.quantized_gradients import RESCALE
from gradlet.tests.int8_models import Int8Builder, int8_batches, inverted_residuals, wired
from gradlet.tests.small_models import TOOLS, apply, compiled, conv_net, mlp, ops_of
from gradlet.tools.api import Options, compile_program

STEP = "sparse_update{scheme=%s},differentiate{update=sgd{weights=float}},dead_code"
SCHEMES = ["full", "full{ratio=0.5}", "last_3", "bias_only"]


# Ops that end in the common epilogue, and those that sum gradients.
GRADIENTS = {op.name for op in TOOLS.ops if op.epilogue}
SUMS = {op.name for op in TOOLS.ops if op.sums is not None}
INPUT_GRADS = GRADIENTS - {RESCALE}

NETS = {"residuals": inverted_residuals, "wired": wired, "dead": lambda: inverted_residuals(dead=2)}


def stepped(graph: Graph, *, float64: bool, lr: float = 10.0) -> dict[str, np.ndarray]:
    """How far one step moves every float state."""
    executor = Executor(graph, TOOLS.ops, float64=float64)
    before = dict(executor.states)
    executor.run(next(int8_batches(graph, 1, lr)))
    return {
        s.name: executor.states[s.name] - before[s.name]
        for s in graph.states
        if s.role in (Role.PARAMETER, Role.MOMENT)
    }


def backward(graph: Graph) -> list[str]:
    return [n.op for n in graph.nodes if n.phase is Phase.BACKWARD]


# ------------------------------------------------------------------ fuse_gradients


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("net", NETS)
def test_fused_gradients_are_the_same(net, scheme):
    plain, fused = (apply(NETS[net](), STEP % scheme + rest) for rest in ("", ",fuse_gradients"))
    assert len(fused.nodes) < len(plain.nodes)
    expected, found = stepped(plain, float64=True), stepped(fused, float64=True)
    assert expected.keys() == found.keys()
    for name, array in expected.items():
        limit = 1e-9 * np.abs(array).max()
        np.testing.assert_allclose(found[name], array, rtol=0, atol=limit, err_msg=name)


@pytest.mark.parametrize("net", NETS)
def test_no_step_of_a_gradient_is_left_alone(net):
    """Sums are in a `skip`, factors and repetitions in the op that reads or makes the gradient."""
    found = backward(apply(NETS[net](), STEP % "full" + ",fuse_gradients"))
    assert not {"add", "scale", "broadcast_to"}.intersection(found)


def test_a_chain_of_layers_needs_no_op_of_its_own():
    """One op from each layer to the next, which ends with the mask and the scales of the layer it reaches."""
    b = Int8Builder("chain", 1, 6, 6, 3)
    x = b.x
    for k in range(4):
        b.emit.loc = f"layers.{k}"
        x = b.conv(x, 5, relu=True)
    b.emit.loc = "head"
    graph = apply(b.done(b.head(b.pool(x), 3)), STEP % "full" + ",fuse_gradients")
    gradients = [n for n in graph.nodes if n.op in GRADIENTS]
    assert [n.op for n in gradients] == [RESCALE, *["qconv2d_input_grad"] * 3]
    assert all(n.attrs["mask"] and n.attrs["scale"] for n in gradients)
    assert gradients[0].attrs["shape"] == (1, 6, 6, 5)


def test_the_skip_gradient_goes_into_the_input_gradient():
    graph = apply(inverted_residuals(), STEP % "full" + ",fuse_gradients")
    skips = [n for n in graph.nodes if n.attrs.get("skip")]
    assert len(skips) == 2
    assert all(n.op in INPUT_GRADS and n.attrs["skip_factor"] != 1 for n in skips)


@pytest.mark.parametrize("graph", [mlp(5, 7, 3), conv_net(batch_norm=True)], ids=["mlp", "conv_net"])
@pytest.mark.parametrize("pass_", ["fuse_gradients", "quantize_gradients{dtype=int8}", "order_floats"])
def test_float_graphs_stay_as_they_are(graph, pass_):
    graph = apply(clone(graph), "differentiate")
    before = str(graph)
    assert str(apply(graph, pass_)) == before


# ------------------------------------------------------------------ quantize_gradients


def program(net: str, dtype: str, update: str = "sgd{weights=float}", **options: object) -> Program:
    given = {"differentiate": {"update": update}, "quantize_gradients": {"dtype": dtype}}
    return compiled(NETS[net](), "train", **given, **options)


@pytest.mark.parametrize(
    ("dtype", "lowest", "mean", "length"), [("int8", 0.9, 0.99, 0.2), ("int16", 0.9999, 0.9999, 0.002)]
)
@pytest.mark.parametrize("net", ["residuals", "wired"])
def test_integer_gradients_are_nearly_the_real_ones(net, dtype, lowest, mean, length):
    real, found = (stepped(program(net, d).graph, float64=False) for d in ("float32", dtype))
    cosines = {}
    for name in (n for n in real if n.endswith(".master")):
        a, b = real[name].ravel().astype(float), found[name].ravel().astype(float)
        cosines[name] = a @ b / np.sqrt((a @ a) * (b @ b))
        assert np.linalg.norm(b) == pytest.approx(np.linalg.norm(a), rel=length)
    assert min(cosines.values()) > lowest, cosines
    assert np.mean(list(cosines.values())) > mean, cosines


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize(
    "update",
    ["sgd", "sgd{every=2}", "sgd{weights=float,every=2,weight_decay=0.01}", "momentum", "sgd{rounding=nearest}"],
)
@pytest.mark.parametrize("net", NETS)
def test_five_steps_in_the_arena_and_outside(net, update, dtype):
    made = program(net, dtype, update)
    batches = list(int8_batches(made.graph, 5, 0.5))
    sessions = [ReferenceSession(made, TOOLS, in_arena=arena) for arena in (False, True)]
    outputs = [[s.train_step(b) for b in batches] for s in sessions]
    states = [s.states() for s in sessions]
    for first, second in zip(*outputs, strict=True):
        assert all(np.array_equal(first[name], second[name]) for name in first)
    for state in made.graph.states:
        np.testing.assert_array_equal(states[0][state.name], states[1][state.name], err_msg=state.name)
    assert all(np.isfinite(out["loss"]) for out in outputs[0])
    weights = [s for s in made.graph.states if s.init.dtype == np.int8 and s.trainable]
    still = [s.name for s in weights if np.array_equal(states[0][s.name], s.init)]
    assert len(still) <= len(weights) // 4, still


def test_no_gradient_of_a_quantised_value_is_held_in_floats():
    graph = program("residuals", "int8", "sgd").graph
    assert all(n.outputs[0].type.dtype is DType.I8 for n in graph.nodes if n.op in GRADIENTS)
    sums = [n for n in graph.nodes if n.op in SUMS]
    assert sums
    assert all(n.outputs[0].type.dtype is DType.I32 for n in sums)


def test_every_gradient_has_a_range_that_remembers():
    made = program("residuals", "int8", "sgd{rounding=nearest}")
    ranges = [s.name for s in made.graph.states if s.name.rpartition(".")[2].startswith("gradient_range")]
    assert len(ranges) == sum(n.op in GRADIENTS for n in made.graph.nodes)
    session = ReferenceSession(made, TOOLS)
    batches = list(int8_batches(made.graph, 2, 0.0))
    assert all((session.states()[name] == 0).all() for name in ranges)
    session.train_step(batches[0])
    first = session.states()
    session.train_step(batches[1])
    second = session.states()
    for name in ranges:
        (m, unit), (m_after, unit_after) = first[name], second[name]
        assert 1.5 * m / 127 <= unit < 3.01 * m / 127, "the first step calibrates"
        assert 1.5 * m / 127 <= unit_after < 3.01 * m / 127, "the second uses what was remembered"
        assert m_after >= np.float32(0.95) * m
        assert np.log2(unit) % 1 == np.log2(unit_after) % 1 == 0


def test_the_default_is_integers_on_microcontrollers():
    for target, dtype in (("stm32f746", DType.I8), ("x86_64", DType.F32)):
        context = Context(TOOLS, TOOLS.get("targets", target))
        graph = apply(inverted_residuals(), "differentiate,fuse_gradients,quantize_gradients", context)
        assert {n.outputs[0].type.dtype for n in graph.nodes if n.op in GRADIENTS} == {dtype}


@pytest.mark.parametrize(("layers", "dtype"), [(25, DType.I8), (26, DType.I16)])
def test_gradients_through_many_layers_take_int16(layers, dtype):
    """The first layer needs no gradient of its input."""
    b = Int8Builder("deep", 1, 4, 4, 2)
    x = b.x
    for k in range(layers):
        b.emit.loc = f"layers.{k}"
        x = b.conv(x, 2)
    b.emit.loc = "head"
    graph = b.done(b.head(b.pool(x), 3))
    context = Context(TOOLS, TOOLS.get("targets", "stm32f746"))
    apply(graph, "differentiate,fuse_gradients,quantize_gradients", context)
    found = [n.outputs[0].type.dtype for n in graph.nodes if n.op in INPUT_GRADS]
    assert (len(found), set(found)) == (layers - 1, {dtype})


@pytest.mark.parametrize(("gradients", "dtype"), [("auto", DType.F32), ("int16", DType.I16)])
def test_the_user_chooses(gradients, dtype):
    options = Options(target="x86_64", backend="reference", gradients=gradients)
    graph = compile_program(Program(inverted_residuals()), options, TOOLS).program.graph
    assert {n.outputs[0].type.dtype for n in graph.nodes if n.op in GRADIENTS} == {dtype}


def test_an_unknown_type_is_refused():
    with pytest.raises(CompileError, match="GL212"):
        make(TOOLS, "passes", parse_calls("quantize_gradients{dtype=int4}")[0])


def test_unfused_gradients_become_integers_too():
    graph = apply(wired(), STEP % "full" + ",quantize_gradients{dtype=int8}")
    real = apply(wired(), STEP % "full")
    a, b = stepped(real, float64=False), stepped(graph, float64=False)
    for name in (n for n in a if n.endswith("weight.master")):
        x, y = a[name].ravel().astype(float), b[name].ravel().astype(float)
        assert x @ y / np.sqrt((x @ x) * (y @ y)) > 0.9, name


def moving() -> Graph:
    """Between two layers a maximum of windows, a transposition, a reversal and a margin."""
    b = Int8Builder("moving", 2, 8, 6, 3)
    b.emit.loc = "first"
    y = b.conv(b.x, 4, relu=True)
    zero = float(y.type.quant.zero_point[0])
    y = b.moved("max_pool2d", y, kernel=(2, 2), strides=(2, 2), padding=(0, 0, 0, 0))
    y = b.moved("flip", b.moved("transpose", y, axes=(0, 2, 1, 3)), axis=(1,))
    y = b.moved("pad", y, before=(0, 1, 0, 0), after=(0, 0, 2, 0), value=zero)
    y = b.moved("slice", y, axis=2, begin=1, end=5)
    b.emit.loc = "second"
    y = b.pool(b.conv(y, 4, relu=True))
    b.emit.loc = "head"
    return b.done(b.head(y, 5))


@pytest.mark.parametrize(("dtype", "least"), [(DType.I8, 0.99), (DType.I16, 0.99999)])
def test_what_only_moves_a_gradient_moves_integers(dtype, least):
    moves = {"max_pool2d_grad", "transpose", "flip", "slice", "pad"}
    fused = STEP % "full" + ",fuse_gradients"
    graph = apply(moving(), f"{fused},quantize_gradients{{dtype={dtype.value}}}")
    moved = [n for n in graph.nodes if n.phase is Phase.BACKWARD and n.op in moves and n.outputs[0].type.shape[2:]]
    assert {n.op for n in moved} == moves
    assert {n.outputs[0].type.dtype for n in moved} == {dtype}
    a, b = stepped(apply(moving(), fused), float64=False), stepped(graph, float64=False)
    for name in (n for n in a if n.endswith("weight.master")):
        x, y = a[name].ravel().astype(float), b[name].ravel().astype(float)
        assert x @ y / np.sqrt((x @ x) * (y @ y)) > least, name


def test_what_floats_read_stays_in_floats():
    """The gradient of a float layer in front of the integers, and that of a mean over windows."""
    b = Int8Builder("mixed", 2, 8, 8, 3)
    b.emit.loc = "float"
    y = b.emit("scale", b.emit("dequantize", b.x, scale=0.025, zero_point=3), factor=2.0)
    w = b.graph.add_state(
        "float.weight", np.eye(3, dtype=np.float32).reshape(3, 1, 1, 3), f32(3, 1, 1, 3), trainable=True
    )
    y = b.emit("conv2d", y, w, strides=(1, 1), padding=(0, 0, 0, 0))
    b.emit.loc = "quantize"
    y = b.quantize(y, 0.05, 3)
    b.emit.loc = "conv"
    y = b.conv(y, 4, relu=True)
    b.emit.loc = "head"
    graph = apply(b.done(b.head(b.pool(y), 5)), STEP % "full" + ",fuse_gradients")
    real = stepped(graph, float64=False)
    integers = apply(graph, "quantize_gradients{dtype=int8}")
    found = stepped(integers, float64=False)
    last = [n for n in integers.nodes if n.op in GRADIENTS][-1]
    assert last.outputs[0].type.dtype is DType.F32
    assert last.inputs[0].type.dtype is DType.I8
    x, y = real["float.weight"].ravel(), found["float.weight"].ravel()
    assert x @ y / np.sqrt((x @ x) * (y @ y)) > 0.99


def test_a_gradient_whose_sum_would_overflow_stays_in_floats():
    b = Int8Builder("wide", 1, 260, 260, 3)
    b.emit.loc = "conv"
    y = b.conv(b.x, 2, relu=True)
    b.emit.loc = "head"
    graph = apply(b.done(b.head(b.pool(y), 5)), "differentiate,fuse_gradients,quantize_gradients{dtype=int8}")
    assert [n.outputs[0].type.dtype for n in graph.nodes if n.op in GRADIENTS] == [DType.F32]


def test_a_weight_that_two_layers_share():
    """Its gradients have different units: they are added in floats."""
    b = Int8Builder("shared", 2, 6, 6, 4)
    b.emit.loc = "first"
    x = b.conv(b.x, 4)
    b.emit.loc = "second"
    y = b.conv(x, 4)
    b.emit.loc = "head"
    graph = b.done(b.head(b.pool(y), 5))
    first, second = graph.nodes[0], graph.nodes[1]
    old = second.inputs[1]
    graph.replace_uses(old, first.inputs[1])
    graph.states[:] = [s for s in graph.states if s.value is not old]
    real, found = (
        stepped(apply(clone(graph), STEP % "full" + f",fuse_gradients,quantize_gradients{{dtype={d}}}"), float64=False)
        for d in ("float32", "int8")
    )
    x, y = (moves["first.weight.master"].ravel().astype(float) for moves in (real, found))
    assert x @ y / np.sqrt((x @ x) * (y @ y)) > 0.99


# ------------------------------------------------------------------ order_floats


def test_the_head_is_ordered():
    graph = program("residuals", "int8", "sgd").graph
    head = {op for op in ops_of(graph) if op.startswith("ordered_")}
    names = {f"dense{part}" for part in ("", "_input_grad", "_weight_grad", "_bias_grad")}
    losses = {"softmax_cross_entropy", "softmax_cross_entropy_grad"}
    assert head == {f"ordered_{name}" for name in names | losses}
    assert not {"dense", "matmul", "dense_weight_grad", "sum", *losses}.intersection(ops_of(graph))


def test_the_ordered_step_is_the_same_up_to_rounding():
    graph = apply(inverted_residuals(), STEP % "full" + ",fuse")
    expected = stepped(graph, float64=True)
    found = stepped(apply(graph, "order_floats"), float64=True)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-9 * np.abs(array).max(), err_msg=name)


def test_an_activation_of_the_head_stays():
    b = Int8Builder("two", 2, 6, 6, 3)
    b.emit.loc = "conv"
    x = b.pool(b.conv(b.x, 4))
    b.emit.loc = "hidden"
    x = b.emit("relu", b.head(x, 7))
    b.emit.loc = "head"
    w = b.graph.add_state("head.weight", b.rng.normal(size=(5, 7)).astype(np.float32), f32(5, 7), trainable=True)
    made = compiled(b.done(b.emit("dense", x, w)), quantize_gradients={"dtype": "int8"})
    assert "ordered_dense" in ops_of(made.infer)
    assert "relu" in ops_of(made.infer)
    session = ReferenceSession(made, TOOLS)
    assert np.isfinite(session.train_step(next(int8_batches(made.graph, 1)))["loss"])


def test_floats_without_an_order_are_named():
    b = Int8Builder("mixed", 2, 6, 6, 3)
    y = b.emit("dequantize", b.x, scale=0.025, zero_point=3)
    w = b.graph.add_state("weight", np.ones((2, 1, 1, 3), np.float32), f32(2, 1, 1, 3))
    graph = b.done(b.emit("conv2d", y, w, strides=(1, 1), padding=(0, 0, 0, 0)))
    context = Context(TOOLS)
    apply(graph, "order_floats", context)
    assert context.notes == ["backends agree up to rounding only: conv2d in floats has no fixed order"]


# ------------------------------------------------------------------ split_updates


def large() -> Graph:
    b = Int8Builder("large", 1, 8, 8, 3)
    x = b.x
    for k, size in enumerate((32, 48, 48)):
        b.emit.loc = f"layers.{k}"
        x = b.conv(x, size, 3, 2 if k < 2 else 1, relu=True)
    b.emit.loc = "head"
    return b.done(b.head(b.pool(x), 10))


@pytest.mark.parametrize("update", ["sgd", "sgd{rounding=nearest,weight_decay=0.01}"])
@pytest.mark.parametrize("scheme", ["full", "full{ratio=0.5}"])
def test_parts_of_a_gradient_move_the_weights_as_the_whole_does(scheme, update):
    """Random numbers included, in a third of the memory."""
    options = {
        "quantize_gradients": {"dtype": "int8"},
        "sparse_update": {"scheme": scheme},
        "differentiate": {"update": update},
    }
    results = []
    for skipped in ((), ("split_updates",)):
        made = optimize(Program(large()), Context(TOOLS), options=options, skip=skipped)
        session = ReferenceSession(made, TOOLS, in_arena=True)
        losses = [session.train_step(b)["loss"] for b in int8_batches(made.graph, 3, 0.02)]
        parts = sum(n.op == "quantized_sgd" for n in made.graph.nodes)
        results.append((losses, session.states(), made.graph.plan.arena_bytes, parts))
    (losses, states, arena, parts), (whole_losses, whole_states, whole_arena, whole) = results
    assert losses == whole_losses
    common = states.keys() & whole_states.keys()
    assert {s.name for s in large().states if s.trainable and s.name in states} <= common
    for name in common:
        np.testing.assert_array_equal(states[name], whole_states[name], err_msg=name)
    assert parts > whole
    assert 3 * arena < whole_arena
