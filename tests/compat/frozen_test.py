"""Programs of every released format version load, and compute what they did when they were frozen."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from gradlet.ir import files, serialize
from gradlet.ir.errors import CompileError
from gradlet.ir.upgrades import IR_VERSION
from gradlet.proto import training_ir_pb2 as pb
from gradlet.tests.compat import freeze
from gradlet.tests.small_models import TOOLS
from gradlet.tools.checks import difference

OPS = TOOLS.ops
VERSIONS = sorted(freeze.HERE.glob("v*"))
PROGRAMS = sorted(path for folder in VERSIONS for path in folder.iterdir() if path.suffix in (".gradlet", ".textproto"))
TOLERANCE = 1e-5


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def test_every_version_is_frozen():
    assert [folder.name for folder in VERSIONS] == [f"v{k + 1}" for k in range(IR_VERSION)]
    for folder in VERSIONS:
        kinds = [re.sub(r"^\w+?(_beside)?\.", r"\1.", path.name) for path in folder.iterdir()]
        assert {".gradlet", ".textproto", "_beside.gradlet", "_beside.gradlet.safetensors", ".npz"} <= set(kinds)


@pytest.mark.parametrize("path", PROGRAMS, ids=name_of)
def test_a_frozen_program_computes_what_it_did(path):
    program = files.load(path, OPS)
    kind = path.name.partition(".")[0].removesuffix("_beside")
    with np.load(path.with_name(f"{kind}.npz")) as frozen:
        expected = dict(frozen)
    found = freeze.run(program, expected)
    assert found.keys() == expected.keys()
    moved = {name: difference(found[name], array) for name, array in expected.items()}
    assert all(error <= TOLERANCE for error in moved.values()), moved


@pytest.mark.parametrize("path", [p for p in PROGRAMS if p.parent.name == f"v{IR_VERSION}"], ids=name_of)
def test_reading_and_writing_loses_nothing(path):
    raw = path.read_text() if path.suffix == ".textproto" else path.read_bytes()
    before = serialize._parse(raw)
    before.producer = serialize.PRODUCER
    program = files.load(path, OPS)
    again = pb.Program.FromString(serialize.to_bytes(program, OPS, before.weights_file))
    assert str(again) == str(before)


@pytest.mark.parametrize("path", PROGRAMS, ids=name_of)
def test_a_newer_version_is_refused_and_names_its_writer(path, tmp_path):
    raw = path.read_text() if path.suffix == ".textproto" else path.read_bytes()
    message = serialize._parse(raw)
    message.ir_version, message.producer = IR_VERSION + 1, "gradlet 99.0"
    newer = tmp_path / "newer.gradlet"
    newer.write_bytes(message.SerializeToString())
    if message.weights_file:
        shutil.copy(path.with_name(message.weights_file), tmp_path)
    with pytest.raises(CompileError, match=r"GL004.*gradlet 99\.0"):
        files.load(newer, OPS)


def test_frozen_files_are_not_made_anew():
    with pytest.raises(FileExistsError):
        freeze.main()
