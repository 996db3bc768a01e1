"""The part of TFLite's metadata schema that is read or written, as data: a test compares it with tflite-support's."""

from __future__ import annotations

from gradlet.frontends.tflite.schema import Field, Schema, fields

FILE_KINDS = (
    "UNKNOWN",
    "DESCRIPTIONS",
    "TENSOR_AXIS_LABELS",
    "TENSOR_VALUE_LABELS",
    "TENSOR_AXIS_SCORE_CALIBRATION",
    "VOCABULARY",
    "SCANN_INDEX_FILE",
)
COLOR_SPACES = ("UNKNOWN", "RGB", "GRAYSCALE")

_FILES = "[AssociatedFile]"
TABLES: dict[str, tuple[Field, ...]] = {
    "ModelMetadata": fields(
        ("name", 0, "string", ""),
        ("description", 1, "string", ""),
        ("version", 2, "string", ""),
        ("subgraph_metadata", 3, "[SubGraphMetadata]"),
        ("author", 4, "string", ""),
        ("license", 5, "string", ""),
        ("associated_files", 6, _FILES),
        ("min_parser_version", 7, "string", ""),
    ),
    "SubGraphMetadata": fields(
        ("name", 0, "string", ""),
        ("description", 1, "string", ""),
        ("input_tensor_metadata", 2, "[TensorMetadata]"),
        ("output_tensor_metadata", 3, "[TensorMetadata]"),
        ("associated_files", 4, _FILES),
    ),
    "TensorMetadata": fields(
        ("name", 0, "string", ""),
        ("description", 1, "string", ""),
        ("content", 3, "Content"),
        ("process_units", 4, "[ProcessUnit]"),
        ("stats", 5, "Stats"),
        ("associated_files", 6, _FILES),
    ),
    "Content": fields(("content_properties_type", 0, "uint8", 0), ("content_properties", 1, "union")),
    "ImageProperties": fields(("color_space", 0, "int8", 0)),
    "ProcessUnit": fields(("options_type", 0, "uint8", 0), ("options", 1, "union")),
    "NormalizationOptions": fields(("mean", 0, "[float32]", ()), ("std", 1, "[float32]", ())),
    "Stats": fields(("max", 0, "[float32]", ()), ("min", 1, "[float32]", ())),
    "AssociatedFile": fields(
        ("name", 0, "string", ""),
        ("description", 1, "string", ""),
        ("type", 2, "int8", 0),
        ("locale", 3, "string", ""),
        ("version", 4, "string", ""),
    ),
}
UNIONS = {"content_properties": {2: "ImageProperties"}, "options": {1: "NormalizationOptions"}}

METADATA = Schema("the metadata of the model are damaged", b"M001", "ModelMetadata", TABLES, UNIONS)
