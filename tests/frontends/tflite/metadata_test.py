"""Metadata and associated files: those that tflite-support writes are read, and damaged ones are told."""

import inspect
import io
import random
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Mapping

import pytest

from gradlet.frontends.tflite import metadata
from gradlet.frontends.tflite.associated_files import MAX_FILES, AssociatedFiles, read_files, with_files
from gradlet.frontends.tflite.importer import ImportOptions, import_bytes
from gradlet.frontends.tflite.metadata_schema import COLOR_SPACES, FILE_KINDS, METADATA
from gradlet.frontends.tflite.model import parse
from gradlet.ir.errors import CODES, CompileError
from gradlet.tests.frontends.tflite.damage import flipped, strange, truncated
from gradlet.tests.frontends.tflite.imported import toolbox
from gradlet.tests.frontends.tflite.labelled import LABELS, Record, file, model, told
from gradlet.tests.frontends.tflite.support import metadata_schema, supported
from gradlet.tests.small_tflite import CLASSES, flatbuffer, small_model


def facts(data: bytes, **options: int) -> dict[str, str]:
    found = dict(import_bytes(data, ImportOptions(**options), toolbox(), "net").metadata)
    assert len(found.pop("tflite.digest")) == 64
    return found


EXPECTED = {
    "model.name": "animals",
    "model.author": "somebody",
    "input.image.name": "image",
    "input.image.description": "what the camera sees",
    "input.image.color_space": "RGB",
    "input.image.mean": "127.5,100",
    "input.image.std": "127.5,60",
    "input.image.minimum": "0",
    "input.image.maximum": "255",
    "output.logits.name": "p",
    "output.logits.labels": "cat\nsmall dog\nno animal",
    "file.labels.txt": str(len(LABELS)),
}


def test_what_is_said_is_kept_in_the_program():
    assert facts(file()) == EXPECTED


def test_a_new_head_has_other_classes():
    found = facts(file(), classes=2)
    assert found.pop("classes") == "2"
    assert found == {key: text for key, text in EXPECTED.items() if not key.startswith("output.")}


def test_labels_that_were_lost_are_left_out():
    expected = {key: text for key, text in EXPECTED.items() if "labels" not in key}
    assert facts(file(files={})) == expected


def test_a_model_without_metadata_has_no_facts():
    assert facts(flatbuffer(small_model())) == {}


@pytest.mark.parametrize("text", [b"a\r\nb\r\n", b"a\nb", b"a\nb\n"])
def test_lines_of_labels(text):
    assert facts(file(files={"labels.txt": text}))["output.logits.labels"] == "a\nb"


# --- tflite-support, the witness.


def test_the_schema_is_that_of_tflite_support():
    theirs = metadata_schema()
    for name, fields in METADATA.tables.items():
        slots = getattr(theirs, name)
        for field in fields:
            accessor = getattr(slots, "".join(part.capitalize() for part in field.name.split("_")))
            assert f"Offset({4 + 2 * field.id})" in inspect.getsource(accessor), (name, field)
    for enum, names in ((theirs.AssociatedFileType, FILE_KINDS), (theirs.ColorSpaceType, COLOR_SPACES)):
        assert {key: value for key, value in vars(enum).items() if isinstance(value, int)} == dict(
            zip(names, range(len(names)), strict=True)
        )
    for field, table in (("content_properties", theirs.ContentProperties), ("options", theirs.ProcessUnitOptions)):
        assert all(getattr(table, name) == number for number, name in METADATA.unions[field].items())


@pytest.mark.parametrize("form", ["int8", "float"])
def test_an_image_classifier_of_tflite_support(form, tmp_path):
    """`metadata_writers.image_classifier`, whose archive and flatbuffers are its own."""
    from gradlet.tests.frontends.tflite.keras_models import converted

    writers = supported("metadata_writers.image_classifier")
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"class {k}\n" for k in range(5)))
    data = bytearray(converted("inverted_residuals", form))
    writer = writers.MetadataWriter.create_for_inference(data, [123.5, 117.0, 104.0], [58.5, 57.0, 57.5], [str(labels)])
    found = facts(bytes(writer.populate()))
    assert found[_only(found, ".mean")] == "123.5,117,104"
    assert found[_only(found, ".std")] == "58.5,57,57.5"
    assert found[_only(found, ".labels")] == "\n".join(f"class {k}" for k in range(5))
    assert found[_only(found, ".color_space")] == "RGB"
    assert found["model.name"] == "ImageClassifier"
    assert found["file.labels.txt"] == "40"


def _only(found: Mapping[str, str], ending: str) -> str:
    (key,) = (key for key in found if key.endswith(ending))
    return key


def test_tflite_support_reads_the_files():
    display = supported("metadata").MetadataDisplayer.with_model_buffer(file())
    assert display.get_packed_associated_file_list() == ["labels.txt"]
    assert display.get_associated_file_buffer("labels.txt") == LABELS
    assert '"color_space": "RGB"' in display.get_metadata_json()


# --- Damage.


def outcome(data: bytes) -> str:
    """`program`, or the code of the error; anything else fails."""
    caught, started = None, time.process_time()
    try:
        model = parse(data)
        metadata.facts(metadata.read_metadata(model), read_files(data), ["image"], {0: "logits"})
    except CompileError as error:
        caught = error
    assert time.process_time() - started < 5
    assert caught is None or (caught.code in CODES and caught.hint and len(str(caught)) < 3000)
    return caught.code if caught else "program"


def test_two_thousand_damaged_metadata():
    draw, whole = random.Random(0), flatbuffer(told(), METADATA)
    outcomes = []
    for damage in (flipped, truncated, strange):
        outcomes += [outcome(with_files(model(damage(whole, draw)), {"labels.txt": LABELS})) for _ in range(500)]
    outcomes += [outcome(file(changed(draw))) for _ in range(500)]
    counts = {name: outcomes.count(name) for name in ("program", "GL117", "GL118")}
    assert set(outcomes) <= set(counts), set(outcomes)
    assert min(counts.values()) > 20, f"not all ways are taken: {counts}"


def changed(draw: random.Random) -> Record:
    """Metadata that read well and say something strange."""
    content = told()
    graph = content["subgraph_metadata"][0]
    image, prediction = graph["input_tensor_metadata"][0], graph["output_tensor_metadata"][0]
    normalisation = image["process_units"][0]["options"]
    numbers = [draw.choice((0.0, -1.0, 1e30, float("nan"), float("inf"))) for _ in range(draw.randrange(4))]
    for change in draw.sample(
        (
            lambda: normalisation.update({draw.choice(("mean", "std")): numbers}),
            lambda: image["stats"].update({draw.choice(("min", "max")): numbers}),
            lambda: image["content"]["content_properties"].update({"color_space": draw.randrange(-128, 128)}),
            lambda: image.update(process_units=image["process_units"] * draw.randrange(3)),
            lambda: prediction["associated_files"][0].update(type=draw.randrange(-128, 128)),
            lambda: prediction["associated_files"][0].update(name=draw.choice(("", "../labels.txt", "x" * 1000))),
            lambda: graph.update(input_tensor_metadata=[image] * draw.randrange(4)),
            lambda: content.update(subgraph_metadata=[graph] * draw.randrange(3)),
        ),
        k=draw.randint(1, 2),
    ):
        change()
    return content


def test_a_thousand_damaged_archives():
    draw, whole = random.Random(1), file()
    begin = read_files(whole).begin
    outcomes = []
    for damage in (flipped, strange):
        for _ in range(500):
            outcomes.append(outcome(whole[:begin] + damage(whole[begin:], draw)))
    assert set(outcomes) <= {"program", "GL117", "GL118"}, set(outcomes)
    assert outcomes.count("GL117") > 100


def archive(names: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as made:
        for name, content in names.items():
            made.writestr(name, content)
    return out.getvalue()


def patched(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new)


MANY = {f"f{k}": b"" for k in range(MAX_FILES + 1)}
HOSTILE = {
    "a path": archive({"../labels.txt": b""}),
    "an absolute path": archive({"/etc/labels.txt": b""}),
    "a path of Windows": archive({"c:labels.txt": b""}),
    "a long name": archive({"x" * 300: b""}),
    "a control character": archive({"a\nb": b""}),
    "many": archive(MANY),
    "another compression": archive({"labels.txt": b""}, zipfile.ZIP_LZMA),
    "a bomb": archive({"labels.txt": bytes(100 << 20)}, zipfile.ZIP_DEFLATED),
    "long labels": archive({"labels.txt": bytes(5 << 20)}, zipfile.ZIP_DEFLATED),
    "no UTF-8": archive({"labels.txt": b"\xff"}),
    "larger than it is": patched(archive({"x": b"1234"}), struct.pack("<II", 4, 4), struct.pack("<II", 2**30, 2**30)),
    "a directory of 1 GB": archive({"x": b""})[:-10] + struct.pack("<I", 1 << 30) + bytes(6),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_cost_little(name):
    data = file(files={}) + HOSTILE[name]
    tracemalloc.start()
    try:
        with pytest.raises(CompileError) as caught:
            facts(data)
        assert caught.value.code == "GL118"
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_what_lies_behind_a_model_may_be_no_archive():
    assert facts(file(files={}) + b"PK\5\6 and more text that is no archive") == facts(file(files={}))


def test_the_same_files_give_the_same_bytes():
    files = read_files(file())
    assert isinstance(files, AssociatedFiles) and files.sizes == {"labels.txt": len(LABELS)}
    assert files.read("labels.txt") == LABELS
    assert with_files(file()[: files.begin], {"labels.txt": LABELS}) == file()
    assert LABELS.count(b"\n") == CLASSES
