"""A hundred random nets do in the IR what they do in PyTorch."""

import random

import pytest
import torch
from torch import nn

from gradlet.tests.frontends.pytorch.imported import Function, check, normal
from gradlet.tests.models.initialisation import he

Shape = tuple[int, int, int]  # channels, height, width
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.SiLU, nn.Hardswish, nn.Tanh, nn.Hardsigmoid, nn.LeakyReLU)


class Residual(nn.Module):
    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, x):
        return x + self.body(x)


class Branches(nn.Module):
    def __init__(self, a: nn.Module, b: nn.Module):
        super().__init__()
        self.a, self.b = a, b

    def forward(self, x):
        return torch.cat([self.a(x), self.b(x)], 1)


class Gate(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.fc = nn.Linear(channels, channels)

    def forward(self, x):
        return x * torch.sigmoid(self.fc(x.mean((2, 3)))).unflatten(1, (-1, 1, 1))


def conv(draw: random.Random, shape: Shape) -> nn.Module:
    inputs = shape[0]
    kernel = (draw.choice([1, 2, 3]), draw.choice([1, 3]))
    groups = draw.choice([1, 1, inputs, 2 if inputs % 2 == 0 else 1])
    options = {"padding": draw.choice([0, 1, 2]), "dilation": draw.choice([1, 1, 2]), "bias": draw.random() < 0.7}
    return nn.Conv2d(inputs, groups * draw.randint(1, 3), kernel, draw.choice([1, 1, 2]), groups=groups, **options)


def pointwise(draw: random.Random, shape: Shape) -> nn.Module:
    return nn.Sequential(nn.Conv2d(shape[0], shape[0], 3, padding=1), draw.choice(ACTIVATIONS)())


def pool(draw: random.Random, shape: Shape) -> nn.Module:
    kind = draw.choice([nn.MaxPool2d, nn.AvgPool2d])
    return kind(draw.choice([2, 3]), draw.choice([1, 2]), padding=1, ceil_mode=draw.random() < 0.5)


LAYERS = {
    conv: 6,
    pool: 2,
    lambda draw, shape: nn.BatchNorm2d(shape[0]): 2,
    lambda draw, shape: draw.choice(ACTIVATIONS)(): 4,
    lambda draw, shape: Residual(pointwise(draw, shape)): 2,
    lambda draw, shape: Branches(pointwise(draw, shape), nn.Identity()): 1,
    lambda draw, shape: Gate(shape[0]): 1,
    lambda draw, shape: nn.Upsample(scale_factor=2, mode=draw.choice(["nearest", "bilinear"])): 1,
    lambda draw, shape: nn.ConstantPad2d((1, 0, 2, 1), 0.25): 1,
    lambda draw, shape: Function(lambda x: x.transpose(2, 3)): 1,
    lambda draw, shape: Function(lambda x: x[:, : max(1, shape[0] - 1)]): 1,
    lambda draw, shape: Function(lambda x: x.permute(0, 2, 3, 1).softmax(-1).permute(0, 3, 1, 2)): 1,
    lambda draw, shape: Function(lambda x: x.reshape(x.shape[0], x.shape[1] * x.shape[2], 1, x.shape[3])): 1,
    lambda draw, shape: Function(lambda x: (x - x.mean(1, keepdim=True)) / (x.amax((2, 3), keepdim=True).abs() + 1)): 1,
}


def head(draw: random.Random, shape: Shape) -> list[nn.Module]:
    channels, height, width = shape
    if draw.random() < 0.5:
        return [Function(lambda x: x.mean((2, 3))), nn.Linear(channels, 4)]
    middle = [nn.ReLU(), nn.Dropout()] if draw.random() < 0.5 else []
    return [nn.Flatten(), *middle, nn.Linear(channels * height * width, 4)]


def random_net(seed: int) -> tuple[nn.Module, torch.Tensor]:
    """A net whose layers fit one another; those that do not are drawn again."""
    draw = random.Random(seed)
    x = normal(draw.randint(1, 2), draw.randint(1, 4), draw.randint(5, 8), draw.randint(5, 8), seed=seed)
    layers: list[nn.Module] = []
    shape: Shape = tuple(x.shape[1:])
    while len(layers) < draw.randint(3, 8):
        layer = draw.choices(list(LAYERS), list(LAYERS.values()))[0](draw, shape)
        try:
            after = tuple(layer.eval()(torch.zeros(1, *shape)).shape[1:])
        except RuntimeError:
            continue
        if 0 < after[0] * after[1] * after[2] < 3000:
            layers, shape = [*layers, layer], after
    return he(nn.Sequential(*layers, *head(draw, shape)), seed), x


@pytest.mark.parametrize("seed", range(100))
def test_random_net(seed):
    module, x = random_net(seed)
    check(module, x)
