"""The module that an architecture describes, its layers named like those of the int8 checkpoints."""

from __future__ import annotations

import torch
from torch import nn

from gradlet.frontends.pytorch.zoo.architectures import Architecture, Block


class Convolution(nn.Sequential):
    """Convolution, batch normalisation and, unless it projects, ReLU6; pads with half its kernel."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, *, groups: int = 1, linear: bool = False
    ):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        if not linear:
            self.act = nn.ReLU6()


class InvertedResidual(nn.Module):
    """One block of an architecture."""

    def __init__(self, inputs: int, block: Block):
        super().__init__()
        hidden = inputs * block.expansion
        self.pointwise1 = Convolution(inputs, hidden) if block.expansion != 1 else nn.Identity()
        self.depthwise = Convolution(hidden, hidden, block.kernel, block.stride, groups=hidden)
        self.pointwise2 = Convolution(hidden, block.channels, linear=True)
        self.is_residual = block.stride == 1 and inputs == block.channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.pointwise2(self.depthwise(self.pointwise1(x)))
        return x + y if self.is_residual else y


class Network(nn.Module):
    """For images of any size; 128x128 is usual."""

    def __init__(self, architecture: Architecture, classes: int = 1000):
        super().__init__()
        self.first_conv = Convolution(3, architecture.first, 3, 2)
        channels, blocks = architecture.first, []
        for block in architecture.blocks:
            blocks.append(InvertedResidual(channels, block))
            channels = block.channels
        self.blocks = nn.Sequential(*blocks)
        last = architecture.last
        self.feature_mix = Convolution(channels, last) if last else nn.Identity()
        self.classifier = nn.Linear(last or channels, classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = self.feature_mix(self.blocks(self.first_conv(image)))
        logits: torch.Tensor = self.classifier(features.mean((2, 3)))
        return logits
