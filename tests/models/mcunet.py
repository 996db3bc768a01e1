"""A net like those of the MCUNet family: inverted residuals with depthwise kernels of 3x3, 5x5 and 7x7."""

from torch import nn

from gradlet.tests.models.blocks import InvertedResidual, conv_norm

# Each row: expansion, kernel, channels, stride.
BLOCKS = (
    (1, 3, 8, 1),
    (3, 7, 16, 2),
    (3, 3, 16, 1),
    (4, 5, 24, 2),
    (3, 7, 24, 1),
    (5, 5, 40, 2),
    (4, 5, 40, 1),
    (5, 7, 48, 1),
    (5, 5, 96, 2),
    (4, 7, 96, 1),
)


class McuNet(nn.Module):
    """For images of any size; 128 is usual."""

    def __init__(self, classes: int = 10, *, batch_norm: bool = False):
        super().__init__()
        self.first_conv = nn.Sequential(*conv_norm(3, 16, 3, 2, batch_norm=batch_norm), nn.ReLU6())
        channels, blocks = 16, []
        for expansion, kernel, outputs, stride in BLOCKS:
            blocks.append(InvertedResidual(channels, outputs, kernel, stride, expansion, batch_norm=batch_norm))
            channels = outputs
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x):
        return self.classifier(self.blocks(self.first_conv(x)).mean((2, 3)))
