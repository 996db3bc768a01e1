"""Packs files into a TFLite model: interpreters run it as before, and other tools find the files by their metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradlet.frontends.tflite.associated_files import PLAN, REPORT, read_files, with_files
from gradlet.frontends.tflite.front import Edit, Number, Table, Vector, front_of, text
from gradlet.frontends.tflite.metadata_schema import FILE_KINDS, METADATA
from gradlet.frontends.tflite.model import Model, parse
from gradlet.frontends.tflite.names import input_name
from gradlet.frontends.tflite.schema import METADATA_ENTRY

# Associated files came with the first version of the format.
_MIN_PARSER_VERSION = "1.0.0"


def pack(data: bytes, files: Mapping[str, bytes]) -> bytes:
    """A model with these files, which take the place of those of the same names.

    A model without metadata gets some that name the files; metadata that are there stay as they are.

    Raises:
        CompileError: GL117 and GL118 if the model is damaged, GL105 if it cannot be written.
    """
    packed, model = read_files(data), parse(data)
    kept = {name: packed.read(name) for name in packed.entries if name not in files}
    edit = Edit(data[: packed.begin])
    if not model.metadata:
        edit.add_metadata(METADATA_ENTRY, described(model, sorted(files)))
    return with_files(edit.result(), kept | dict(sorted(files.items())))


def unpack(data: bytes) -> dict[str, bytes]:
    """The files that `gradlet compile --pack` packed, by name; those that are not there are left out."""
    packed = read_files(data)
    return {name: packed.read(name) for name in (PLAN, REPORT) if name in packed.entries}


def described(model: Model, files: Sequence[str] = (), labels: str = "") -> bytes:
    """Metadata of a model that has none.

    Args:
        files: Names of what comes with it.
        labels: Name of the file that names the classes of the first output.
    """
    outputs = [Table({0: text(str(tensor))}) for tensor in model.outputs]
    if labels:
        outputs[0] = Table({**outputs[0].fields, 6: Vector([_file(labels, "TENSOR_AXIS_LABELS")])})
    inputs = [Table({0: text(input_name(tensor))}) for tensor in model.inputs]
    graph = Table({2: Vector(inputs), 3: Vector(outputs)})
    named = {6: Vector([_file(name, "UNKNOWN") for name in files])} if files else {}
    return front_of(Table({3: Vector([graph]), **named, 7: text(_MIN_PARSER_VERSION)}), METADATA)


def _file(name: str, kind: str) -> Table:
    return Table({0: text(name), 2: Number("b", FILE_KINDS.index(kind))})
