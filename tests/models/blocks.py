"""Building blocks that several models share."""

from torch import nn


def conv_norm(
    inputs: int, outputs: int, kernel: int, stride: int = 1, *, groups: int = 1, batch_norm: bool
) -> list[nn.Module]:
    """A convolution that keeps the size, or divides it by its stride, and batch normalisation or a bias."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=not batch_norm)
    return [conv, nn.BatchNorm2d(outputs)] if batch_norm else [conv]


class InvertedResidual(nn.Module):
    """Expands, filters each channel, projects; adds its input where shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int, *, batch_norm: bool):
        super().__init__()
        hidden = inputs * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += [*conv_norm(inputs, hidden, 1, batch_norm=batch_norm), nn.ReLU6()]
        layers += [*conv_norm(hidden, hidden, kernel, stride, groups=hidden, batch_norm=batch_norm), nn.ReLU6()]
        layers += conv_norm(hidden, outputs, 1, batch_norm=batch_norm)
        self.conv = nn.Sequential(*layers)
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.conv(x) if self.is_residual else self.conv(x)
