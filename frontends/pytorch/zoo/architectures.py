"""Tables of the networks of the zoo: inverted residuals, one row each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """An inverted residual: expands, filters each channel, projects; adds its input where shapes agree.

    Attributes:
        expansion: Channels inside for each channel of its input; 1: the first convolution is left out.
        kernel: Of the filter.
        channels: Of its output.
        stride: Of the filter.
    """

    expansion: int
    kernel: int
    channels: int
    stride: int = 1


@dataclass(frozen=True)
class Architecture:
    """A first convolution of 3x3 and stride 2, blocks, the mean over all positions, and a linear layer.

    Attributes:
        name: Of the network.
        first: Channels of the first convolution.
        blocks: What follows it.
        last: Channels of one more 1x1 convolution after the blocks; None: there is none.
    """

    name: str
    first: int
    blocks: tuple[Block, ...]
    last: int | None = None


@dataclass(frozen=True)
class Stage:
    """Blocks with the same number of output channels, the first of which has the stride.

    Attributes:
        channels: At width 1.
        stride: Of the first block.
        blocks: (expansion, kernel) of each.
    """

    channels: int
    stride: int
    blocks: tuple[tuple[int, int], ...]


# Table 2 of Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (2018).
_MOBILENET_V2 = (
    Stage(16, 1, ((1, 3),)),
    Stage(24, 2, ((6, 3),) * 2),
    Stage(32, 2, ((6, 3),) * 3),
    Stage(64, 2, ((6, 3),) * 4),
    Stage(96, 1, ((6, 3),) * 3),
    Stage(160, 2, ((6, 3),) * 3),
    Stage(320, 1, ((6, 3),)),
)
# ProxylessNAS-Mobile, figure 4 of Cai et al., "ProxylessNAS: Direct Neural Architecture Search on Target Task and
# Hardware" (2019).
_PROXYLESS_NAS = (
    Stage(16, 1, ((1, 3),)),
    Stage(32, 2, ((3, 5), (3, 3))),
    Stage(40, 2, ((3, 7), (3, 3), (3, 5), (3, 5))),
    Stage(80, 2, ((6, 7), (3, 5), (3, 5), (3, 5))),
    Stage(96, 1, ((6, 5), (3, 5), (3, 5), (3, 5))),
    Stage(192, 2, ((6, 7), (6, 7), (3, 7), (3, 7))),
    Stage(320, 1, ((6, 7),)),
)
# Of "On-Device Training Under 256KB Memory" (Lin et al., 2022): 5 frames a second on an STM32F746.
MCUNET_5FPS = Architecture(
    "mcunet_5fps",
    16,
    (
        Block(1, 3, 8),
        Block(4, 3, 16, 2),
        Block(3, 3, 16),
        Block(3, 7, 24, 2),
        Block(5, 3, 24),
        Block(5, 3, 40, 2),
        Block(4, 7, 40),
        Block(4, 5, 48),
        Block(3, 3, 48),
        Block(4, 3, 48),
        Block(5, 7, 96, 2),
        Block(4, 5, 96),
        Block(4, 5, 96),
        Block(6, 3, 160),
    ),
)


def mobilenet_v2(width: float = 0.35, *, last: int | None = None) -> Architecture:
    """MobileNetV2.

    Args:
        width: Factor of all numbers of channels.
        last: Channels of the convolution before the head; 1280 in the paper, none in networks for microcontrollers.
    """
    return _scaled("mobilenet_v2", _MOBILENET_V2, width, nearest_multiple, last)


def proxyless_nas(width: float = 0.3, *, last: int | None = None) -> Architecture:
    """ProxylessNAS-Mobile; arguments as those of `mobilenet_v2`."""
    return _scaled("proxyless_nas", _PROXYLESS_NAS, width, next_multiple, last)


def nearest_multiple(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor` that is not more than a tenth below."""
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * channels else nearest


def next_multiple(channels: float, divisor: int = 8) -> int:
    """The smallest multiple of `divisor` that is not below."""
    return math.ceil(round(channels, 6) / divisor) * divisor


def _scaled(
    name: str, stages: Sequence[Stage], width: float, rounded: Callable[[float], int], last: int | None
) -> Architecture:
    return Architecture(name, rounded(32 * width), tuple(_blocks(stages, width, rounded)), last)


def _blocks(stages: Sequence[Stage], width: float, rounded: Callable[[float], int]) -> Iterator[Block]:
    for stage in stages:
        for index, (expansion, kernel) in enumerate(stage.blocks):
            yield Block(expansion, kernel, rounded(stage.channels * width), stage.stride if index == 0 else 1)
