"""The ResNet-8 of MLPerf Tiny."""

from torch import nn

from gradlet.tests.models.blocks import conv_norm


class Residual(nn.Module):
    """Two convolutions, and a shortcut that is a convolution where shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, batch_norm: bool):
        super().__init__()
        self.body = nn.Sequential(
            *conv_norm(inputs, outputs, 3, stride, batch_norm=batch_norm),
            nn.ReLU(),
            *conv_norm(outputs, outputs, 3, batch_norm=batch_norm),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride)
        self.activation = nn.ReLU()

    def forward(self, x):
        return self.activation(self.body(x) + self.shortcut(x))


class ResNet8(nn.Module):
    """For images of any size that 4 divides; 32x32 in the benchmark."""

    def __init__(self, classes: int = 10, *, channels: int = 3, batch_norm: bool = False):
        super().__init__()
        self.stem = nn.Sequential(*conv_norm(channels, 16, 3, batch_norm=batch_norm), nn.ReLU())
        self.stacks = nn.Sequential(
            Residual(16, 16, 1, batch_norm=batch_norm),
            Residual(16, 32, 2, batch_norm=batch_norm),
            Residual(32, 64, 2, batch_norm=batch_norm),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(64, classes)

    def forward(self, x):
        return self.classifier(self.pool(self.stacks(self.stem(x))).flatten(1))
