"""MobileNetV2 with a width multiplier."""

from torch import nn

from gradlet.tests.models.blocks import InvertedResidual, conv_norm

# Table 2 of Sandler et al. (2018): expansion, channels, blocks, stride of the first.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def divisible(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor` that is not more than a tenth below."""
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * channels else nearest


class MobileNetV2(nn.Module):
    """For images of any size; 128 and 224 are usual."""

    def __init__(self, classes: int = 10, width: float = 0.35, *, batch_norm: bool = False):
        super().__init__()
        channels = divisible(32 * width)
        layers = [*conv_norm(3, channels, 3, 2, batch_norm=batch_norm), nn.ReLU6()]
        for expansion, wide, blocks, stride in STAGES:
            outputs = divisible(wide * width)
            for block in range(blocks):
                stride_here = stride if block == 0 else 1
                layers.append(InvertedResidual(channels, outputs, 3, stride_here, expansion, batch_norm=batch_norm))
                channels = outputs
        last = divisible(1280 * max(1.0, width))
        self.features = nn.Sequential(*layers, *conv_norm(channels, last, 1, batch_norm=batch_norm), nn.ReLU6())
        self.classifier = nn.Linear(last, classes)

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))
