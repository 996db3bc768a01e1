"""A multilayer perceptron."""

import itertools
from collections.abc import Sequence

from torch import nn


def mlp(widths: Sequence[int] = (64, 32, 32, 10)) -> nn.Module:
    """Linear layers with ReLU between them; `widths` has the inputs first and the classes last."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
