"""Quantisation-aware training as an option of a compilation."""

import numpy as np
import pytest
import torch
from torch import nn

import gradlet.tools.api
from gradlet.ir.errors import CompileError
from gradlet.tools.quantization import quantize_options


def narrow_net() -> nn.Module:
    """Channels of very different sizes: what one scale for all weights of a layer is bad for."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 8), (8, 8), (8, 8)):
        conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        conv.weight.data *= torch.exp(1.5 * torch.randn(outputs, 1, 1, 1))
        layers += [conv, nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)).eval()


def ratio(quantize: str) -> float:
    """Signal to noise of the output in dB."""
    samples = np.random.default_rng(0).normal(size=(64, 3, 8, 8)).astype(np.float32)
    options = {"target": "x86_64", "backend": "reference", "scheme": "none"}
    compiled = gradlet.tools.api.compile_module(
        narrow_net(), torch.zeros(4, 3, 8, 8), quantize=quantize, calibration=samples, **options
    )
    (found,) = compiled.report["quantization"]["outputs"].values()
    return float(found)


def test_training_is_worth_some_decibels():
    assert ratio("int8{weights=per_tensor,qat_steps=200,qat_lr=0.001}") > ratio("int8{weights=per_tensor}") + 3


@pytest.mark.parametrize(
    "options", ["qat_steps=-1", "qat_lr=0", "qat_steps=5,correct_bias=true", "qat_steps=5,rounding=adaround"]
)
def test_options_that_do_not_go_together(options: str):
    with pytest.raises(CompileError, match="qat_steps") as found:
        quantize_options(f"int8{{{options}}}")
    assert found.value.code == "GL212"
