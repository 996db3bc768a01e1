"""The small network with metadata and a file of labels, written without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradlet.frontends.tflite.associated_files import with_files
from gradlet.frontends.tflite.metadata_schema import FILE_KINDS, METADATA
from gradlet.tests.small_tflite import flatbuffer, small_model

LABELS = b"cat\nsmall dog\nno animal\n"
MEAN, STD = [127.5, 100.0], [127.5, 60.0]

Record = dict[str, Any]


def told() -> Record:
    """Metadata of the small network."""
    labels = {"name": "labels.txt", "type": FILE_KINDS.index("TENSOR_AXIS_LABELS")}
    image = {
        "name": "image",
        "description": "what the camera sees",
        "content": {"content_properties_type": 2, "content_properties": {"color_space": 1}},
        "process_units": [{"options_type": 1, "options": {"mean": MEAN, "std": STD}}],
        "stats": {"min": [0.0], "max": [255.0]},
    }
    graph = {"input_tensor_metadata": [image], "output_tensor_metadata": [{"name": "p", "associated_files": [labels]}]}
    return {"name": "animals", "author": "somebody", "subgraph_metadata": [graph], "min_parser_version": "1.0.0"}


def model(told: bytes) -> bytes:
    content = small_model()
    content["metadata"] = [{"name": "min_runtime_version", "buffer": 0}]
    content["metadata"].append({"name": "TFLITE_METADATA", "buffer": len(content["buffers"])})
    content["buffers"].append({"data": told})
    return flatbuffer(content)


def file(content: Record | None = None, files: Mapping[str, bytes] | None = None) -> bytes:
    written = flatbuffer(told() if content is None else content, METADATA)
    return with_files(model(written), {"labels.txt": LABELS} if files is None else files)
