"""The frontend of TensorFlow Lite: a .tflite file of float32 or int8 becomes a program, without TensorFlow."""

from gradlet.ir.frontend import Frontend, ImportRequest
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program


def _load(request: ImportRequest, toolbox: Toolbox) -> Program:
    from gradlet.frontends.tflite.importer import load

    return load(request, toolbox)


FRONTEND = Frontend("tflite", lambda source: source.endswith(".tflite"), _load, options=("classes", "seed"))
