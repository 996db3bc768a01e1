"""A custom operator of TensorFlow Lite, `Softplus`, by the op of this plugin."""

from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.model import Operator
from gradlet.ir.graph import Value


def softplus(b: Builder, op: Operator) -> Value:
    b.only_float(op)
    return b("softplus", b.x(op))


CONVERTERS = {"CUSTOM:Softplus": softplus}
