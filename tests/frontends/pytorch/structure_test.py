"""Structures that real vision models are made of."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from gradlet.tests.frontends.pytorch.imported import check, normal
from gradlet.tests.models.initialisation import he


class Inception(nn.Module):
    """Branches of different kernels, joined along the channels."""

    def __init__(self, inputs: int):
        super().__init__()
        self.one = nn.Conv2d(inputs, 3, 1)
        self.three = nn.Sequential(nn.Conv2d(inputs, 2, 1), nn.ReLU(), nn.Conv2d(2, 4, (1, 3), padding=(0, 1)))
        self.five = nn.Sequential(nn.Conv2d(inputs, 2, 1), nn.ReLU(), nn.Conv2d(2, 5, 5, padding=2))
        self.pooled = nn.Conv2d(inputs, 2, 1)

    def forward(self, x):
        pooled = F.avg_pool2d(x, 3, stride=1, padding=1)
        return F.relu(torch.cat([self.one(x), self.three(x), self.five(x), self.pooled(pooled)], 1))


class Excitation(nn.Module):
    """As in MobileNetV3: convolutions instead of linear layers, and a hard sigmoid."""

    def __init__(self, channels: int):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.down, self.up = nn.Conv2d(channels, 4, 1), nn.Conv2d(4, channels, 1)

    def forward(self, x):
        return F.hardsigmoid(self.up(F.relu(self.down(self.pool(x))))) * x


class UNet(nn.Module):
    """Down, up, and joined with what was there before."""

    def __init__(self, mode: str):
        super().__init__()
        self.mode = mode
        self.down, self.deep = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)
        self.up, self.out = nn.Conv2d(12, 4, 3, padding=1), nn.Conv2d(4, 2, 1)

    def forward(self, x):
        skip = F.relu(self.down(x))
        deep = F.relu(self.deep(F.max_pool2d(skip, 2)))
        deep = F.interpolate(deep, size=skip.shape[2:], mode=self.mode)
        return {"mask": torch.sigmoid(self.out(F.relu(self.up(torch.cat([deep, skip], dim=1)))))}


class Dense(nn.Module):
    """As in DenseNet: each layer sees all before it."""

    def __init__(self):
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm2d(3 + 4 * k) for k in range(3)])
        self.convs = nn.ModuleList([nn.Conv2d(3 + 4 * k, 4, 3, padding=1, bias=False) for k in range(3)])

    def forward(self, x):
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = torch.cat((x, conv(F.relu(norm(x)))), 1)
        return x


class Shuffle(nn.Module):
    """As in ShuffleNetV2: half of the channels pass, both halves are mixed."""

    def __init__(self):
        super().__init__()
        self.branch = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1, groups=4))

    def forward(self, x):
        a, b = x.chunk(2, dim=1)
        x = torch.cat((a, self.branch(b)), dim=1)
        n, c, h, w = x.size()
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, -1, h, w)


class Attention(nn.Module):
    """Self-attention over the pixels of an image, with one head."""

    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Conv2d(6, 18, 1), nn.Conv2d(6, 6, 1)

    def forward(self, x):
        q, k, v = self.qkv(x).flatten(2).chunk(3, dim=1)
        weights = torch.softmax(q.transpose(1, 2) @ k / 6**0.5, dim=-1)
        return x + self.out((v @ weights.transpose(1, 2)).view_as(x))


class Vgg(nn.Module):
    """The classifier of VGG and AlexNet: pooled to a fixed size, flattened, and linear layers with dropout."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(2, 2))
        self.avgpool = nn.AdaptiveAvgPool2d((2, 2))
        layers = [nn.Linear(32, 16), nn.ReLU(True), nn.Dropout(), nn.Linear(16, 10)]
        self.classifier = nn.Sequential(nn.Dropout(), *layers)

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class TwoInputs(nn.Module):
    """An image and a vector of measurements."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4 * 4 * 4 + 5, 3)

    def forward(self, image, values):
        return self.fc(torch.cat([F.relu(self.conv(image)).flatten(1), values], 1))


def test_inception():
    check(he(nn.Sequential(Inception(3), nn.MaxPool2d(3, 2, ceil_mode=True), Inception(14))), normal(2, 3, 8, 6))


def test_squeeze_and_excite():
    check(he(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Hardswish(), Excitation(8))), normal(2, 3, 8, 6))


def test_unet():
    program = check(he(UNet("nearest")), normal(2, 3, 8, 6))
    assert [value.name for value in program.graph.outputs] == ["mask"]
    check(he(UNet("bilinear")), normal(2, 3, 7, 9))


def test_dense_net():
    check(he(Dense()), normal(2, 3, 8, 6))


def test_shuffle_net():
    check(he(nn.Sequential(Shuffle(), Shuffle())), normal(2, 8, 5, 6))


def test_attention():
    check(he(Attention()), normal(2, 6, 4, 5))


def test_vgg():
    check(he(Vgg()), normal(2, 3, 8, 8))


def test_two_inputs():
    program = check(he(TwoInputs()), normal(2, 3, 6, 6), normal(2, 5))
    assert [str(value) for value in program.graph.inputs] == ["%image", "%values"]


def test_depth_multipliers():
    layers = [nn.Conv2d(3, 6, 3, groups=3), nn.ReLU6(), nn.Conv2d(6, 24, 3, groups=6, stride=2), nn.Conv2d(24, 4, 1)]
    check(he(nn.Sequential(*layers)), normal(2, 3, 9, 8))
