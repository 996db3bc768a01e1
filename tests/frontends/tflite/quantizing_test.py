"""A float model becomes int8 as one of PyTorch does."""

import numpy as np

import gradlet
from gradlet.tests.frontends.tflite.written import Step, Written, constant, written

RNG = np.random.default_rng(0)


def test_float_models_are_quantised(tmp_path):
    operands = [
        Written((1, 8, 8, 3), "float32"),
        constant(RNG.normal(size=(4, 3, 3, 3)).astype(np.float32)),
        constant(RNG.normal(size=4).astype(np.float32)),
        Written((1, 8, 8, 4), "float32"),
    ]
    options = {"padding": 0, "strideW": 1, "strideH": 1, "fusedActivationFunction": 1}
    path = tmp_path / "net.tflite"
    path.write_bytes(written(operands, [Step("CONV_2D", [0, 1, 2], [3], "Conv2DOptions", options)], [0], [3]))
    samples = RNG.normal(size=(20, 8, 8, 3)).astype(np.float32)
    made = gradlet.compile(path, quantize="int8", calibration=samples, target="x86_64", scheme="none")
    assert [n.op for n in made.program.graph.nodes] == ["quantize", "qconv2d", "dequantize"]
    assert made.report["quantization"]["outputs"]["output"] > 30
