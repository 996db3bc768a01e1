"""Models of one operator each, taken out of converted ones; and what becomes of a file that may be damaged."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from gradlet.frontends.tflite.flatbuffer import read_root
from gradlet.frontends.tflite.importer import ImportOptions, import_bytes
from gradlet.frontends.tflite.schema import MODEL
from gradlet.ir.errors import CODES, CompileError
from gradlet.ir.verifier import verify
from gradlet.tests.frontends.tflite.imported import toolbox
from gradlet.tests.small_tflite import Record, flatbuffer

_SECONDS = 5
OPERATORS = Path(__file__).with_name("operators.zip")


def outcome(data: bytes, classes: int | None = None) -> str:
    """`graph`, or the code of the error; anything else fails."""
    caught, started = None, time.process_time()
    try:
        graph = import_bytes(data, ImportOptions(classes), toolbox(), "net").graph
        verify(graph, toolbox().ops)
    except CompileError as error:
        caught = error
    assert time.process_time() - started < _SECONDS
    assert caught is None or (caught.code in CODES and caught.hint and len(str(caught)) < 3000)
    return caught.code if caught else "graph"


def seeds() -> list[bytes]:
    """Those that `python -m gradlet.tests.fuzz.tflite_seeds` has written."""
    with zipfile.ZipFile(OPERATORS) as file:
        return [file.read(name) for name in sorted(file.namelist())]


def plain(record: Mapping[str, Any], table: str = "Model") -> Record:
    """What a reader has read, as `flatbuffer` writes it again."""
    unions = {f"{name}_type": tables for name, tables in MODEL.unions.items()}
    made: Record = {}
    for field in MODEL.tables[table]:
        value, inner = record[field.name], field.kind.strip("[]")
        if value is None or (field.kind == "present" and not value):
            continue
        if field.kind == "union":
            made[field.name] = plain(value, unions[f"{field.name}_type"][record[f"{field.name}_type"]])
        elif inner in MODEL.tables:
            made[field.name] = [plain(each, inner) for each in value] if field.kind != inner else plain(value, inner)
        elif field.kind.startswith("["):
            made[field.name] = bytes(value) if inner == "uint8" else list(value)
        else:
            made[field.name] = value
    return made


def content_of(data: bytes) -> Record:
    return plain(read_root(data))


def of_one_operator(data: bytes) -> Iterator[bytes]:
    """A model for each operator of a model, with the tensors that it reads and makes."""
    content = content_of(data)
    graph = content["subgraphs"][0]
    for operator in graph["operators"]:
        numbers = sorted({n for n in (*operator["inputs"], *operator["outputs"]) if n >= 0})
        place = {old: new for new, old in enumerate(numbers)} | {-1: -1}
        tensors, buffers = [dict(graph["tensors"][n]) for n in numbers], [{}]
        for tensor in tensors:
            buffers.append(content["buffers"][tensor["buffer"]])
            tensor["buffer"] = len(buffers) - 1
        one = dict(operator, opcode_index=0)
        for name in ("inputs", "outputs"):
            one[name] = [place[n] for n in operator[name]]
        read = {n for n in one["inputs"] if n >= 0 and not buffers[tensors[n]["buffer"]].get("data")}
        made = {"tensors": tensors, "inputs": sorted(read), "outputs": one["outputs"], "operators": [one]}
        codes = [content["operator_codes"][operator["opcode_index"]]]
        yield flatbuffer({"version": 3, "operator_codes": codes, "subgraphs": [made], "buffers": buffers})


def packed(models: Mapping[str, bytes]) -> bytes:
    """A zip file of them, always the same."""
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in models.items():
            file.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, 9)
    return made.getvalue()
