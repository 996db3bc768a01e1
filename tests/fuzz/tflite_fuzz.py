"""Looks for .tflite files that the importer neither imports nor refuses, guided by the coverage of its code.

    pip install atheris==3.0.0
    python -m gradlet.tests.fuzz.tflite_fuzz FOLDER -max_total_time=1800

FOLDER keeps what leads to new code; at first this is what lies there, and the models of operators.zip in
tests/frontends/tflite. Other options are libFuzzer's. What fails is written as crash-*, and becomes a test.
"""

from __future__ import annotations

import random
import resource
import sys
from pathlib import Path
from typing import Any

import atheris

# Before anything of the importer is imported: what is instrumented guides the fuzzer.
with atheris.instrument_imports(include=["gradlet.frontends.tflite"]):
    from gradlet.tests.frontends.tflite.imported import toolbox
    from gradlet.tests.frontends.tflite.operator_models import content_of, outcome, seeds

    toolbox().converters("tflite")

from gradlet.frontends.tflite.schema import OPERATORS, TABLES, UNIONS
from gradlet.ir.errors import CompileError
from gradlet.tests.frontends.tflite.damage import changed, strange
from gradlet.tests.small_tflite import Record, flatbuffer, small_tflite

_MEMORY, _MOST_BYTES = 3 << 30, 1 << 16
_KNOWN = [OPERATORS.index(name) for name in sorted(toolbox().converters("tflite")) if name in OPERATORS]


def check(data: bytes) -> None:
    """Fails unless the file becomes a graph, or is refused with a code."""
    outcome(data)
    outcome(data, classes=2)


def mutated(data: bytes, size: int, seed: int) -> bytes:
    """Bytes, mostly through the tables that they hold."""
    draw = random.Random(seed)
    try:
        content = content_of(data)
    except CompileError:
        return atheris.Mutate(data, size)
    kind = draw.random()
    if kind < 0.15 and len(data) >= 4:
        return strange(data, draw)[:size]
    if kind < 0.3:
        return atheris.Mutate(data, size)
    try:
        made = changed(content, draw) if kind < 0.6 else rewired(content, draw)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError, AttributeError, UnicodeError):
        # The content may be nonsense already.
        return atheris.Mutate(data, size)
    return made if len(made) <= size else atheris.Mutate(data, size)


def rewired(content: Record, draw: random.Random) -> bytes:
    """With other operators, operands, shapes, types or constants."""
    graph = content["subgraphs"][0]
    operator, tensor = draw.choice(graph["operators"]), draw.choice(graph["tensors"])
    for _ in range(draw.randint(1, 3)):
        draw.choice((_operator, _options, _operands, _shape, _type, _constant, _quantization))(
            content, operator, tensor, draw
        )
    return flatbuffer(content)


def _operator(content: Record, operator: Record, tensor: Record, draw: random.Random) -> None:
    number = draw.choice(_KNOWN)
    content["operator_codes"].append({"deprecated_builtin_code": min(number, 127), "builtin_code": number})
    operator["opcode_index"] = len(content["operator_codes"]) - 1
    operator["builtin_options_type"] = 0
    operator.pop("builtin_options", None)


def _options(content: Record, operator: Record, tensor: Record, draw: random.Random) -> None:
    number = draw.choice(sorted(UNIONS))
    fields = [field for field in TABLES[UNIONS[number]] if field.kind not in ("string", "union")]
    operator["builtin_options_type"] = number
    operator["builtin_options"] = {
        field.name: draw.choice((0, 1, 2, 3, 4)) for field in fields if not field.kind.startswith("[")
    }


def _operands(content: Record, operator: Record, tensor: Record, draw: random.Random) -> None:
    count = len(content["subgraphs"][0]["tensors"])
    ends = operator[draw.choice(("inputs", "outputs"))]
    if ends and draw.random() < 0.5:
        ends[draw.randrange(len(ends))] = draw.randrange(-1, count)
    elif draw.random() < 0.5:
        ends.append(draw.randrange(-1, count))
    else:
        del ends[-1:]


def _shape(content: Record, operator: Record, tensor: Record, draw: random.Random) -> None:
    shape: list[int] = tensor["shape"]
    where = draw.randrange(len(shape) + 1)
    if where < len(shape) and draw.random() < 0.7:
        shape[where] = draw.choice((-1, 0, 1, 2, 3, 4, 5, 16, 2**14, 2**28))
    elif draw.random() < 0.5:
        shape.insert(where, draw.choice((1, 2, 3)))
    else:
        del shape[where : where + 1]
    signature = [n if draw.random() < 0.7 else -1 for n in shape]
    tensor["shape_signature"] = signature if draw.random() < 0.3 else []


def _type(content: Record, operator: Record, tensor: Record, draw: random.Random) -> None:
    tensor["type"] = draw.choice((0, 1, 2, 3, 4, 6, 7, 9, 17))


def _constant(content: Record, operator: Record, tensor: Record, draw: random.Random) -> None:
    if tensor["buffer"] == 0:
        content["buffers"].append({})
        tensor["buffer"] = len(content["buffers"]) - 1
    widths = {0: 4, 1: 2, 4: 8, 7: 2}
    count = 1
    for size in tensor["shape"]:
        count *= max(size, 0)
    small = [draw.choice((0, 1, 2, 3, 255)) for _ in range(min(count, 4096))]
    width = widths.get(tensor["type"], 4 if tensor["type"] == 2 else 1)
    content["buffers"][tensor["buffer"]] = {"data": b"".join(n.to_bytes(width, "little") for n in small)}


def _quantization(content: Record, operator: Record, tensor: Record, draw: random.Random) -> None:
    axis = draw.randrange(4)
    count = draw.choice((0, 1, 1, *(tensor["shape"][axis : axis + 1])))
    scale = draw.choice((1e-14, 1e-6, 0.003, 0.02, 1.0, 300.0, 1e14))
    tensor["quantization"] = {
        "scale": [scale] * min(count, 64),
        "zero_point": [draw.choice((-128, 0, 3, 127))] * min(count, 64),
        "quantized_dimension": axis,
    }


def main(arguments: list[str]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    folder = Path(arguments[1])
    folder.mkdir(exist_ok=True)
    for k, data in enumerate((small_tflite(), *seeds())):
        (folder / f"seed_{k}").write_bytes(data)
    options: list[Any] = [f"-max_len={_MOST_BYTES}", "-timeout=20", "-rss_limit_mb=2048"]
    atheris.Setup([arguments[0], *options, *arguments[1:]], check, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
