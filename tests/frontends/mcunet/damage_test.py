"""Damaged and hostile checkpoints end in an error with its code: 2,000 of them, quickly and in little memory."""

import copy
import io
import math
import os
import pickle
import pickletools
import random
import time
import tracemalloc
import zipfile
from collections.abc import Iterator

import numpy as np
import pytest

from gradlet.frontends.mcunet.checkpoint import network
from gradlet.frontends.mcunet.container import MAX_BYTES, unzipped
from gradlet.frontends.mcunet.importer import ImportOptions, import_network
from gradlet.frontends.mcunet.pickled import MAX_INSTRUCTIONS, unpickled
from gradlet.ir.errors import CODES, CompileError
from gradlet.ir.verifier import verify
from gradlet.tests.frontends.mcunet.imported import imported, toolbox
from gradlet.tests.frontends.mcunet.real import NETWORKS, path_of
from gradlet.tests.small_checkpoint import checkpoint, pickled, zipped

DAMAGED, REFUSED, INCONSISTENT = "GL114", "GL115", "GL116"


def outcome(file: bytes) -> str:
    """`graph`, or the code of the error; anything else fails."""
    caught, started = None, time.process_time()
    try:
        found = import_network(network(unpickled(unzipped(file, "net.pkl"))), ImportOptions(), toolbox(), "net")
        verify(found.graph, toolbox().ops)
    except CompileError as error:
        caught = error
    assert time.process_time() - started < 5
    assert caught is None or (caught.code in CODES and caught.hint and len(str(caught)) < 1000)
    return caught.code if caught else "graph"


def refused(code: str, content: object) -> CompileError:
    """The error that this content of a checkpoint ends in."""
    with pytest.raises(CompileError) as caught:
        network(unpickled(pickled(content)))
    assert caught.value.code == code, caught.value
    return caught.value


def flipped(data: bytes, draw: random.Random) -> bytes:
    """With one to eight bits changed."""
    damaged = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
    return bytes(damaged)


def truncated(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data))]


def spliced(data: bytes, draw: random.Random) -> bytes:
    """With a piece put somewhere else, where it replaces or pushes aside what is there."""
    begin, to = draw.randrange(len(data)), draw.randrange(len(data))
    piece = data[begin : begin + draw.randint(1, 64)]
    return data[:to] + piece + data[to + draw.choice((0, len(piece))) :]


def skeleton(data: bytes) -> list[int]:
    """Where the pickle has instructions, and not the content of arrays."""
    return [position for _, _, position in pickletools.genops(data) if position is not None]


def at_an_instruction(data: bytes, draw: random.Random, places: list[int]) -> bytes:
    """With another byte where an instruction or a short argument begins: random bits hit arrays mostly."""
    damaged = bytearray(data)
    for _ in range(draw.randint(1, 3)):
        damaged[min(draw.choice(places) + draw.choice((0, 0, 1, 2)), len(data) - 1)] = draw.randrange(256)
    return bytes(damaged)


def leaves(value: object, path: tuple = ()) -> Iterator[tuple]:
    """The path of every entry of nested dicts and lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield (*path, key)
        yield from leaves(below, (*path, key))


STRANGE = (
    *(None, True, -1, 0, 1, 2, 7, 2**31, -(2**70), 10**400, 0.0, -1.0, 1e-300, 1e300, math.nan, math.inf),
    *("", "text", b"bytes", (), (3,), (3, 3), (1, 1, 1), [], {}, [[[]]]),
    *(np.zeros(8, np.int32), np.ones((8, 8, 1, 1), np.int8), np.full(8, np.nan, np.float32), np.zeros((2, 2))),
    *(np.array(7), np.full(24, 1e30, np.float32), np.zeros((16, 1, 2, 2), np.int8), np.ones(16, ">i4")),
)


def changed(draw: random.Random) -> dict:
    """A checkpoint that pickles well and says something strange."""
    content = checkpoint()
    *path, last = draw.choice(list(leaves(content)))
    target = content
    for key in path:
        target = target[key]
    if draw.random() < 0.2:
        del target[last]
    elif isinstance(target[last], np.ndarray) and draw.random() < 0.5:
        target[last] = draw.choice((target[last][:-1], target[last].astype(np.float64), target[last].T, -target[last]))
    else:
        target[last] = draw.choice(STRANGE)
    return content


def mutants(draw: random.Random) -> Iterator[bytes]:
    data = pickled(checkpoint())
    file, places = zipped(data), skeleton(data)
    for damage in (flipped, truncated, spliced):
        yield from (damage(file, draw) for _ in range(150))
        yield from (zipped(damage(data, draw)) for _ in range(250))
    yield from (zipped(at_an_instruction(data, draw, places)) for _ in range(500))
    yield from (zipped(pickled(changed(draw))) for _ in range(300))


def test_two_thousand_damaged_files():
    outcomes = [outcome(file) for file in mutants(random.Random(0))]
    assert len(outcomes) == 2000
    assert set(outcomes) <= {"graph", DAMAGED, REFUSED, INCONSISTENT, "GL105", "GL002"}
    counts = {name: outcomes.count(name) for name in ("graph", DAMAGED, REFUSED, INCONSISTENT)}
    assert min(counts.values()) > 50, f"not all ways are taken: {counts}"


@pytest.mark.parametrize("name", NETWORKS)
def test_damaged_published_files(name):
    file, draw = path_of(name).read_bytes(), random.Random(0)
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        data = archive.read("archive/data.pkl")
    outcomes = [outcome(damage(file, draw)) for damage in (flipped, truncated, spliced) for _ in range(5)]
    outcomes += [outcome(zipped(damage(data, draw))) for damage in (flipped, truncated, spliced) for _ in range(5)]
    assert DAMAGED in outcomes


class Calls:
    """Pickles as a call of something."""

    def __init__(self, function, *arguments):
        self.called = function, arguments
        self.name = f"{function.__name__}()"

    def __reduce__(self):
        return self.called


def _marker() -> None:
    raise AssertionError("the pickle has run this")


@pytest.mark.parametrize(
    "content",
    [
        os.system,
        Calls(os.system, "true"),
        Calls(_marker),
        Calls(eval, "1 + 1"),
        Calls(np.load, "net.npy"),
        Calls(np.ndarray, (10**6, 10**6)),
        Calls(np.dtype, "O"),
        Calls(getattr, object, "__class__"),
        Calls(bytearray, 10**12),
        np.float64(3),
        np.array([{}]),
        np.zeros(3, [("a", np.int8)]),
        np.zeros(3, ">i4"),
        np.array(["text"]),
        np.zeros(3, "datetime64[s]"),
        {1, 2},
        1j,
        CompileError,
    ],
    ids=lambda content: getattr(content, "name", None),
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_whatever_is_no_plain_data_is_refused(content, protocol):
    with pytest.raises(CompileError) as caught:
        unpickled(pickle.dumps({"first_conv": content}, protocol))
    assert caught.value.code == REFUSED
    assert "byte" in caught.value.where


def bomb() -> bytes:
    """A zip file of some kilobytes that holds 100 MB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(100 << 20))
    return file.getvalue()


def lying() -> bytes:
    """The same, which claims to hold little."""
    return bomb().replace((100 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little"))


def packed(way: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", way) as archive:
        archive.writestr("archive/data.pkl", pickled(checkpoint()))
    return file.getvalue()


def twice() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", b"N.")
        archive.writestr("b/data.pkl", b"N.")
    return file.getvalue()


def crowded() -> bytes:
    """A directory of 200,000 files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", b"N.")
    data, entry = file.getvalue(), b"PK\1\2" + bytes(42)
    begin, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    size = (200_000 * len(entry) + end - begin).to_bytes(4, "little")
    return data[:begin] + entry * 200_000 + data[begin:end] + data[end : end + 12] + size + data[end + 16 :]


HOSTILE = {
    "empty": b"",
    "text": b"this is a letter",
    "no pickle in it": zipped(b""),
    "zip bomb": bomb(),
    "zip bomb that lies": lying(),
    "two pickles": twice(),
    "many members": crowded(),
    "lzma": packed(zipfile.ZIP_LZMA),
    "too large": bytes(MAX_BYTES + 1),
    "a value missing": zipped(b"\x80\x02}R."),
    "two values": zipped(b"\x80\x02NN."),
    "no end": zipped(b"\x80\x02N"),
    "a mark missing": zipped(b"\x80\x02u."),
    "a mark left": zipped(b"\x80\x02(N."),
    "nothing remembered": zipped(b"\x80\x02h\x07."),
    "a long text that is not there": zipped(b"\x80\x02X\xff\xff\xff\x7f."),
    "a longer one": zipped(b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7f" + b"."),
    "a large bytearray": zipped(b"\x80\x05\x96" + (10**12).to_bytes(8, "little") + b"."),
    "a large memo": zipped(b"\x80\x02Nr\xff\xff\xff\x7f."),
    "a large integer": zipped(b"\x80\x02\x8b\xff\xff\xff\x7f."),
    "a decimal integer": zipped(b"\x80\x02I" + b"9" * 100_000 + b"\n."),
    "deep lists": zipped(b"\x80\x02" + b"]" * 90_000 + b"a" * 89_999 + b"."),
    "deep tuples": zipped(b"\x80\x02N" + b"\x85" * 190_000 + b"."),
    "a dict in itself": zipped(b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s."),
    "a tuple as key": zipped(b"\x80\x02}N" + b"\x85" * 100_000 + b"Ns."),
    "many instructions": zipped(b"\x80\x02" + b"N" * MAX_INSTRUCTIONS + b"."),
    "an array without content": zipped(pickled(checkpoint()).replace(b"tb", b"t0", 1)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_cost_little(name):
    tracemalloc.start()
    try:
        assert outcome(HOSTILE[name]) in (DAMAGED, REFUSED, INCONSISTENT)
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_BYTES
    finally:
        tracemalloc.stop()


def with_entry(path: str, value: object) -> dict:
    content = copy.deepcopy(checkpoint())
    *above, last = path.split(".")
    target = content
    for key in above:
        target = target[int(key) if key.isdigit() else key]
    target[last] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("first_conv.stride", -2, "stride is no integer from 1"),
        ("first_conv.stride", True, "stride is no integer from 1"),
        ("first_conv.in_shape", 10**9, "in_shape is no integer from 1"),
        ("first_conv.kernel_size", (5, 5), "kernel_size is not (3, 3)"),
        ("first_conv.params.weight", np.zeros((8, 3, 2, 2), np.int8), "a kernel of [2, 2]"),
        ("first_conv.params.weight", np.zeros((8, 3, 3, 3), np.float32), "no array of 4 axes and type int8"),
        ("first_conv.params.bias", np.zeros(7, np.int32), "7 entries for 8 channels"),
        ("first_conv.params.w_scales", np.zeros(8, np.float32), "w_scales are not all above 0"),
        ("first_conv.params.w_scales", np.full(8, np.inf, np.float32), "w_scales are not all above 0"),
        ("first_conv.params.w_scales", np.full(8, 1e9, np.float32), "too large"),
        ("first_conv.params.x_scale", -0.5, "x_scale is no number between"),
        ("first_conv.params.y_zero", 128, "y_zero is no integer"),
        ("blocks.0.depthwise.groups", 4, "4 groups of 1 channels for 8 outputs"),
        ("blocks.1.pointwise1", None, "it wants 24 channels"),
        ("blocks.1.depthwise.params.x_zero", 5, "it wants"),
        ("blocks.2.residual.params.x_zero", 120, "it wants"),
        ("blocks.2.residual.params.y_scale", 1e-10, "too large for that of the sum"),
        ("blocks.1.residual", checkpoint()["blocks"][2]["residual"], "it wants"),
        ("blocks", {}, "blocks is no list"),
        ("classifier.params.weight", np.zeros((5, 16, 3, 3), np.int8), "kernel_size is not (3, 3)"),
    ],
)
def test_what_does_not_fit_together_is_told(path, value, reason):
    assert reason in refused(INCONSISTENT, with_entry(path, value)).what


def test_an_input_that_cannot_be_added():
    content = checkpoint()
    params = {
        f"{of}_{key}": content["blocks"][1]["pointwise1"]["params"][f"x_{key}"]
        for of in "xy"
        for key in ("scale", "zero")
    }
    content["blocks"][1]["residual"] = {"params": params}
    assert "its input cannot be added" in refused(INCONSISTENT, content).what


@pytest.mark.parametrize("path", ["feature_mix", "blocks.1.se"])
def test_what_these_networks_do_not_have_is_not_supported(path):
    assert refused("GL105", with_entry(path, {})).where == path


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"resolutoin": 96}, "GL211"),
        ({"resolution": "large"}, "GL211"),
        ({"resolution": 0}, "GL212"),
        ({"resolution": 10**6}, "GL212"),
        ({"classes": 0}, "GL212"),
        ({"classes": 10**9}, "GL212"),
        ({"seed": -1}, "GL212"),
        ({"rounding": "down"}, "GL212"),
    ],
)
def test_options_are_checked(tmp_path, options, code):
    path = tmp_path / "net.pkl"
    path.write_bytes(zipped(pickled(checkpoint())))
    with pytest.raises(CompileError) as caught:
        imported(path, **options)
    assert caught.value.code == code and caught.value.hint


def test_a_missing_file(tmp_path):
    with pytest.raises(CompileError, match="GL101"):
        imported(tmp_path / "net.pkl")
