"""What a TFLite model says of its inputs and outputs: names, normalisation, labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gradlet.frontends.tflite.associated_files import PLAN, REPORT, AssociatedFiles
from gradlet.frontends.tflite.flatbuffer import Record, read_root
from gradlet.frontends.tflite.metadata_schema import COLOR_SPACES, FILE_KINDS, METADATA
from gradlet.frontends.tflite.model import Model, Tensor, inconsistent

_LABELS = FILE_KINDS.index("TENSOR_AXIS_LABELS")
_MAX_LABELS_BYTES = 4 << 20
_ABOUT_MODELS = ("name", "description", "version", "author", "license")


@dataclass(frozen=True)
class TensorMetadata:
    """What is said of an input or an output.

    Attributes:
        mean: `(x - mean) / std` is what goes into the model; one number, or one for each channel; empty if not said.
        minimum: Of its elements; one number, or one for each channel; empty if not said.
        color_space: RGB, GRAYSCALE, or empty.
        labels_file: Name of the file that names the classes, line by line; empty if there is none.
    """

    name: str
    description: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]
    color_space: str
    labels_file: str


@dataclass(frozen=True)
class Metadata:
    """What is said of a model: `about` has its name, description, version, author and license, where they are said."""

    about: Mapping[str, str]
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]


NONE = Metadata({}, (), ())


def read_metadata(model: Model) -> Metadata:
    """The metadata of a model; `NONE` if it has none.

    Raises:
        CompileError: GL117 if they are damaged, GL118 if they do not fit the model.
    """
    if not model.metadata:
        return NONE
    root = read_root(model.metadata, METADATA)
    about = {key: root[key] for key in _ABOUT_MODELS if root[key]}
    if not root["subgraph_metadata"]:
        return Metadata(about, (), ())
    graph = root["subgraph_metadata"][0]
    inputs = _tensors(graph["input_tensor_metadata"], model.inputs, "inputs")
    return Metadata(about, inputs, _tensors(graph["output_tensor_metadata"], model.outputs, "outputs"))


def facts(
    metadata: Metadata, files: AssociatedFiles, inputs: Sequence[str], outputs: Mapping[int, str]
) -> dict[str, str]:
    """The metadata as those of a program.

    Args:
        inputs: What the inputs are called there.
        outputs: What the outputs of these numbers are called there.
    """
    found = {f"model.{key}": text for key, text in metadata.about.items()}
    for name, told in zip(inputs, metadata.inputs, strict=False):
        found |= {f"input.{name}.{key}": text for key, text in _tensor_facts(told)}
    for number, name in outputs.items():
        if number < len(metadata.outputs):
            told = metadata.outputs[number]
            found |= {f"output.{name}.{key}": text for key, text in _tensor_facts(told)}
            # Files get lost when other tools rewrite a model: it learns without names as well.
            if told.labels_file in files.entries:
                found[f"output.{name}.labels"] = "\n".join(read_labels(files, told.labels_file))
    return found | {f"file.{name}": str(size) for name, size in files.sizes.items() if name not in (PLAN, REPORT)}


def read_labels(files: AssociatedFiles, name: str) -> list[str]:
    """The lines of a file of labels.

    Raises:
        CompileError: GL117 if it is damaged, GL118 if it is no such file.
    """
    if files.sizes[name] > _MAX_LABELS_BYTES:
        raise inconsistent(f"labels of {files.sizes[name]:,} bytes", name)
    try:
        lines = files.read(name).decode("utf-8").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise inconsistent(f"labels that are not UTF-8: {error.reason} at byte {error.start}", name) from error
    return lines if lines[-1] else lines[:-1]


def _tensors(records: list[Record], tensors: tuple[Tensor, ...], where: str) -> tuple[TensorMetadata, ...]:
    if len(records) > len(tensors):
        raise inconsistent(f"metadata of {len(records)} {where}, there are {len(tensors)}", "metadata")
    return tuple(_tensor(r, t, f"metadata of {t}") for r, t in zip(records, tensors, strict=False))


def _tensor(record: Record, tensor: Tensor, where: str) -> TensorMetadata:
    content, stats = record["content"] or {}, record["stats"] or {"min": (), "max": ()}
    color = (content.get("content_properties") or {}).get("color_space", 0)
    units = [unit["options"] for unit in record["process_units"] if unit["options"]]
    mean, std = (units[0]["mean"], units[0]["std"]) if units else ((), ())
    for numbers in (mean, std, stats["min"], stats["max"]):
        if len(numbers) not in (0, 1, *tensor.shape[-1:]):
            raise inconsistent(f"a normalisation, or a range, of {len(numbers)} channels", where)
        if not all(map(math.isfinite, numbers)):
            raise inconsistent("a normalisation, or a range, that is not finite", where)
    if any(s <= 0 for s in std):
        raise inconsistent("a standard deviation that is not greater than 0", where)
    if not 0 <= color < len(COLOR_SPACES):
        raise inconsistent(f"a color space of number {color}", where)
    labels = [file["name"] for file in record["associated_files"] if file["type"] == _LABELS]
    space = COLOR_SPACES[color] if color else ""
    texts = record["name"], record["description"]
    return TensorMetadata(*texts, mean, std, stats["min"], stats["max"], space, labels[0] if labels else "")


def _tensor_facts(told: TensorMetadata) -> Iterator[tuple[str, str]]:
    for key in ("name", "description", "color_space"):
        if text := getattr(told, key):
            yield key, text
    for key in ("mean", "std", "minimum", "maximum"):
        if numbers := getattr(told, key):
            yield key, ",".join(f"{number:.9g}" for number in numbers)
