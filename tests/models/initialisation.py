"""Weights that keep signals and gradients alive without training."""

import torch
from torch import nn


def he(module: nn.Module, seed: int = 0) -> nn.Module:
    """Draws all parameters: PyTorch's own choice makes the logits of a deep net without batch norm constant."""
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            fan_in = layer.weight[0].numel()
            _normal(layer.weight, generator, std=(2 / fan_in) ** 0.5)
            if layer.bias is not None:
                _normal(layer.bias, generator, std=0.1)
        elif isinstance(layer, nn.BatchNorm2d):
            if layer.affine:
                _normal(layer.weight, generator, mean=1.0, std=0.1)
                _normal(layer.bias, generator, std=0.1)
            _normal(layer.running_mean, generator, std=0.1)
            layer.running_var.uniform_(0.5, 1.5, generator=generator)
    return module


def _normal(tensor: torch.Tensor, generator: torch.Generator, std: float, mean: float = 0.0) -> None:
    with torch.no_grad():
        tensor.normal_(mean, std, generator=generator)
