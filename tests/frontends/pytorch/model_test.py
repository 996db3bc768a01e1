"""The models of the equivalence tests, on random and on real input."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from gradlet.frontends.pytorch.importer import import_module
from gradlet.tests.frontends.pytorch.imported import ops_of, toolbox, worst_error
from gradlet.tests.models.zoo import BATCH_NORM_MODELS, MODELS

ALL = {**MODELS, **BATCH_NORM_MODELS}
DATA = Path(os.environ.get("GRADLET_DATA", "../shared/data"))


def digits(channels: int, side: int) -> torch.Tensor:
    """Two of scikit-learn's digits in the shape that a model takes."""
    from sklearn.datasets import load_digits

    images = torch.from_numpy(load_digits().images[:2].astype(np.float32) / 16)[:, None]
    if not channels:
        return F.interpolate(images.flatten(2), size=side).flatten(1)
    return F.interpolate(images, size=(side, side), mode="bilinear").repeat(1, channels, 1, 1)


@pytest.mark.parametrize("name", ALL)
def test_equals_the_module(name):
    case = ALL[name]
    module, sample = case.make(usual=True), case.sample(usual=True)
    program = import_module(module, sample, toolbox=toolbox(), name=name)
    assert program.name == name
    assert "transpose" not in ops_of(program.graph)
    for x in (sample, digits(case.channels, case.usual)):
        assert worst_error(program, module, x) < 1e-5
        assert worst_error(program, module, x, float64=True) < 1e-12


def test_photographs():
    file = DATA / "images" / "cifar10_5k2k.npz"
    if not file.exists():
        pytest.skip(f"{file} is missing: set GRADLET_DATA")
    with np.load(file) as data:
        x = torch.from_numpy(data["x_test"][:4].astype(np.float32) / 255).permute(0, 3, 1, 2)
    for name in ("resnet8", "mobilenet_v2", "mcunet"):
        module = MODELS[name].make()
        assert worst_error(import_module(module, x, toolbox=toolbox()), module, x) < 1e-5


@pytest.mark.parametrize("name", BATCH_NORM_MODELS)
def test_equals_the_module_in_training(name):
    """In float64: statistics of few values amplify the rounding of float32, PyTorch's own as well."""
    case = BATCH_NORM_MODELS[name]
    module, x = case.make().train(), case.sample(batch=8)
    assert worst_error(import_module(module, x, toolbox=toolbox()), module, x, float64=True) < 1e-12


def test_equals_the_module_in_training_in_single_precision():
    case = BATCH_NORM_MODELS["resnet8_bn"]
    module, x = case.make().train(), case.sample(batch=8)
    assert worst_error(import_module(module, x, toolbox=toolbox()), module, x) < 1e-5
