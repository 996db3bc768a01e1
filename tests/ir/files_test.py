"""Programs survive the way to disk and back, and damaged files end in an error with its code."""

import random

import numpy as np
import pytest

from gradlet.ir import files, serialize
from gradlet.ir.errors import CompileError
from gradlet.ir.memory_plan import MemoryPlan, live_slots
from gradlet.ir.program import Program
from gradlet.proto import training_ir_pb2 as pb
from gradlet.tests.ir.small_graph import step, toolbox


@pytest.fixture(scope="module")
def tools():
    return toolbox()


@pytest.fixture
def program(tools):
    graph = step(tools)
    offset, slots = 0, []
    for slot in live_slots(graph, tools.ops):
        slots.append(slot.at(offset))
        offset += -(-slot.size // 4) * 4
    graph.plan = MemoryPlan(tuple(slots), offset, 0, 4, "stacked")
    return Program(graph, pipeline=["differentiate{loss=softmax_cross_entropy}"], metadata={"labels": "a b"})


def assert_same(a, b):
    assert str(a.graph) == str(b.graph)
    assert (a.pipeline, a.metadata) == (b.pipeline, b.metadata)
    assert [(s.first, s.last, s.size, s.offset) for s in a.graph.plan.slots] == [
        (s.first, s.last, s.size, s.offset) for s in b.graph.plan.slots
    ]
    for old, new in zip(a.graph.states, b.graph.states, strict=True):
        assert (old.role, old.trainable, old.region, old.source) == (new.role, new.trainable, new.region, new.source)
        np.testing.assert_array_equal(old.init, new.init)


@pytest.mark.parametrize("name", ["small.gradlet", "small.textproto"])
@pytest.mark.parametrize("inline", [0, 1 << 20])
def test_round_trip(tools, program, tmp_path, name, inline):
    written = files.save(program, tmp_path / name, tools.ops, inline)
    assert len(written) == (1 if inline else 2)
    assert sorted(tmp_path.iterdir()) == sorted(written)
    again = files.load(tmp_path / name, tools.ops)
    assert_same(program, again)
    assert all(isinstance(s.init, np.memmap) != bool(inline) for s in again.graph.states)


def test_every_truncation_is_an_error_or_the_program(tools, program):
    data = serialize.to_bytes(program, tools.ops)
    for end in range(len(data)):
        with pytest.raises(CompileError):
            serialize.from_bytes(data[:end], tools.ops)


def test_flipped_bits_end_in_a_program_or_an_error(tools, program):
    data, rng = serialize.to_bytes(program, tools.ops), random.Random(0)
    errors = 0
    for _ in range(2000):
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        try:
            serialize.from_bytes(bytes(damaged), tools.ops)
        except CompileError:
            errors += 1
    assert errors > 500


def test_newer_formats_name_their_writer(tools, program):
    message = pb.Program.FromString(serialize.to_bytes(program, tools.ops))
    message.ir_version += 1
    message.producer = "gradlet 9.0"
    with pytest.raises(CompileError, match=r"GL004.*gradlet 9\.0"):
        serialize.from_bytes(message.SerializeToString(), tools.ops)


def test_newer_ops_name_their_writer(tools, program):
    message = pb.Program.FromString(serialize.to_bytes(program, tools.ops))
    message.op_versions["dense"] += 1
    with pytest.raises(CompileError, match="GL005.*version 2 of dense"):
        serialize.from_bytes(message.SerializeToString(), tools.ops)


def test_weights_must_be_there_and_fit(tools, program, tmp_path):
    path = tmp_path / "small.gradlet"
    weights, _ = files.save(program, path, tools.ops, 0)
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-1])
    with pytest.raises(CompileError, match="GL006"):
        files.load(path, tools.ops)
    files.write_weights(weights, {"head.weight": np.zeros((3, 8), np.float32)})
    with pytest.raises(CompileError, match=r"GL006.*body\.0\.weight"):
        files.load(path, tools.ops)
    files.write_weights(weights, {s.name: np.zeros((1,), np.float32) for s in program.graph.states})
    with pytest.raises(CompileError, match="GL006.*wants"):
        files.load(path, tools.ops)
    weights.unlink()
    with pytest.raises(CompileError, match="GL006"):
        files.load(path, tools.ops)


def test_a_weights_file_outside_of_the_folder_is_not_opened(tools, program, tmp_path):
    message = pb.Program.FromString(serialize.to_bytes(program, tools.ops, "../../outside.safetensors"))
    path = tmp_path / "a" / "b" / "p.gradlet"
    files.write_bytes(path, message.SerializeToString())
    files.write_weights(tmp_path / "outside.safetensors", {s.name: s.init for s in program.graph.states})
    with pytest.raises(CompileError, match="GL006"):
        files.load(path, tools.ops)


def test_unreadable_and_unwritable_paths(tools, program, tmp_path):
    with pytest.raises(CompileError, match="GL007"):
        files.load(tmp_path / "absent.gradlet", tools.ops)
    (tmp_path / "file").write_text("")
    with pytest.raises(CompileError, match="GL007"):
        files.save(program, tmp_path / "file" / "p.gradlet", tools.ops)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "p"
    files.write_bytes(path, b"old")
    with pytest.raises(CompileError, match="GL007"), files.replacing(path) as part:
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_more_than_a_message_holds(tools, program):
    state = program.graph.states[0]
    state.init = np.broadcast_to(np.float32(0), (1 << 29, 1))
    with pytest.raises(CompileError, match="GL008"):
        serialize.to_bytes(program, tools.ops)
