"""The models of the equivalence tests, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from gradlet.tests.models.initialisation import he
from gradlet.tests.models.lenet5 import LeNet5
from gradlet.tests.models.mcunet import McuNet
from gradlet.tests.models.mlp import mlp
from gradlet.tests.models.mobilenet_v2 import MobileNetV2
from gradlet.tests.models.resnet8 import ResNet8


@dataclass(frozen=True)
class ModelCase:
    """A model for tests.

    Attributes:
        build: Makes the module for a resolution.
        channels: Of its input; 0: it takes vectors, as long as the resolution.
        small: A resolution at which a test is quick and no layer is left without an extent.
        usual: The resolution of its field.
    """

    build: Callable[[int], nn.Module]
    channels: int
    small: int
    usual: int

    def make(self, seed: int = 0, *, usual: bool = False) -> nn.Module:
        """The module, in inference mode, its parameters drawn."""
        return he(self.build(self.usual if usual else self.small), seed).eval()

    def sample(self, batch: int = 2, seed: int = 0, *, usual: bool = False) -> torch.Tensor:
        """Inputs, drawn."""
        side = self.usual if usual else self.small
        shape = (batch, self.channels, side, side) if self.channels else (batch, side)
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed + 1))


MODELS: Mapping[str, ModelCase] = {
    "mlp": ModelCase(lambda side: mlp((side, 32, 32, 10)), 0, 16, 64),
    "lenet5": ModelCase(lambda side: LeNet5(resolution=side), 1, 16, 28),
    "resnet8": ModelCase(lambda side: ResNet8(), 3, 8, 32),
    "mobilenet_v2": ModelCase(lambda side: MobileNetV2(), 3, 32, 128),
    "mcunet": ModelCase(lambda side: McuNet(), 3, 32, 128),
}

# The same with batch normalisation, where the real ones have it.
BATCH_NORM_MODELS: Mapping[str, ModelCase] = {
    "resnet8_bn": ModelCase(lambda side: ResNet8(batch_norm=True), 3, 8, 32),
    "mobilenet_v2_bn": ModelCase(lambda side: MobileNetV2(batch_norm=True), 3, 32, 128),
    "mcunet_bn": ModelCase(lambda side: McuNet(batch_norm=True), 3, 32, 128),
}
