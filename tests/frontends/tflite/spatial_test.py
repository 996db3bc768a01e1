"""Operators on images that pad, resize and move pixels do what they do in TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest

from gradlet.ir.errors import CompileError
from gradlet.tests.frontends.tflite.imported import imported
from gradlet.tests.frontends.tflite.operators import (
    X,
    activation,
    check_float,
    check_int8,
    floats,
    integers,
    numbers,
    single,
)
from gradlet.tests.frontends.tflite.written import Written, constant

IMAGE = (2, 7, 5, 6)


def check_both(name: str, shape: tuple[int, ...], result: tuple[int, ...], constants=(), table="", **options) -> None:
    """An operator that moves elements, or blends them: in int8, and in float32."""
    y = activation(result, *X)
    check_int8(single(name, [activation(shape, *X)], y, constants, table=table, **options), y, integers(shape))
    data = single(name, [Written(shape, "float32")], Written(result, "float32"), constants, table=table, **options)
    check_float(data, floats(shape))


@pytest.mark.parametrize("value", [-128, 0, 5, 127])
def test_padding_with_a_constant(value):
    shape, amounts = (2, 3, 4, 5), numbers([1, 0], [0, 2], [2, 1], [0, 3])
    y = activation((3, 5, 7, 8), *X)
    number = constant(np.array([value], np.int8), scales=[X[0]], zero=X[1])
    check_int8(single("PADV2", [activation(shape, *X)], y, [amounts, number]), y, integers(shape))
    x, y = Written(shape, "float32"), Written((3, 5, 7, 8), "float32")
    check_float(single("PADV2", [x], y, [amounts, constant(np.array([value / 3], np.float32))]), floats(shape))


@pytest.mark.parametrize(
    ("mode", "amounts", "result"),
    [
        (0, ([0, 0], [6, 2], [0, 3], [0, 0]), (2, 15, 8, 6)),
        (1, ([0, 0], [7, 0], [5, 4], [1, 6]), (2, 14, 14, 13)),
        (0, ([1, 0], [0, 0], [0, 0], [5, 0]), (3, 7, 5, 11)),
    ],
)
def test_padding_with_a_mirror(mode, amounts, result):
    check_both("MIRROR_PAD", IMAGE, result, [numbers(*amounts)], "MirrorPadOptions", mode=mode)


# Both directions; sizes where float32 is not the exact quotient (82 of 2), and where weights are rounded (96 of 4).
SIZES = [
    ((7, 5), (14, 11)),
    ((7, 5), (3, 2)),
    ((9, 13), (1, 1)),
    ((1, 3), (7, 9)),
    ((2, 41), (82, 82)),
    ((4, 4), (96, 90)),
]
FLAGS = [(False, False), (True, False), (False, True)]


@pytest.mark.parametrize(("before", "after"), SIZES)
@pytest.mark.parametrize(("corners", "centers"), FLAGS)
def test_bilinear(before, after, corners, centers):
    options = {"alignCorners": corners, "halfPixelCenters": centers}
    shape, result = (2, *before, 8), (2, *after, 8)
    check_both("RESIZE_BILINEAR", shape, result, [numbers(*after)], "ResizeBilinearOptions", **options)


@pytest.mark.parametrize(("before", "after"), SIZES)
@pytest.mark.parametrize(("corners", "centers"), [*FLAGS, (True, True)])
def test_nearest(before, after, corners, centers):
    options = {"alignCorners": corners, "halfPixelCenters": centers}
    shape, result, table = (2, *before, 8), (2, *after, 8), "ResizeNearestNeighborOptions"
    check_both("RESIZE_NEAREST_NEIGHBOR", shape, result, [numbers(*after)], table, **options)


def test_bilinear_in_int8_with_large_images():
    shape, result = (1, 48, 37, 16), (1, 111, 160, 16)
    for corners, centers in FLAGS:
        options = {"alignCorners": corners, "halfPixelCenters": centers, "table": "ResizeBilinearOptions"}
        y = activation(result, *X)
        data = single("RESIZE_BILINEAR", [activation(shape, *X)], y, [numbers(111, 160)], **options)
        check_int8(data, y, integers(shape))


@pytest.mark.parametrize("block", [2, 3])
def test_blocks_and_channels(block):
    space, depth = (2, 6, 12, 5), (2, 6 // block, 12 // block, 5 * block * block)
    check_both("SPACE_TO_DEPTH", space, depth, table="SpaceToDepthOptions", blockSize=block)
    check_both("DEPTH_TO_SPACE", depth, space, table="DepthToSpaceOptions", blockSize=block)


BATCHES = [
    ((2, 4, 6, 3), [2, 3], [[0, 0], [0, 0]], (12, 2, 2, 3)),
    ((2, 5, 6, 3), [3, 2], [[1, 3], [0, 2]], (12, 3, 4, 3)),
    ((3, 7, 4), [2], [[1, 0]], (6, 4, 4)),
]


@pytest.mark.parametrize(("images", "block", "amounts", "batches"), BATCHES)
def test_blocks_and_batches(images, block, amounts, batches):
    constants = [numbers(*block), numbers(*amounts)]
    check_both("SPACE_TO_BATCH_ND", images, batches, constants)
    check_both("BATCH_TO_SPACE_ND", batches, images, constants)


# Files that contradict themselves.

SMALL, BLOCK, NOTHING = (2, 6, 6, 8), numbers(2, 2), numbers([0, 0], [0, 0])
ONE_SIDE = numbers([0, 0], [0, 6], [0, 0], [0, 0])
MODE = {"table": "MirrorPadOptions", "mode": 1}


@pytest.mark.parametrize(
    ("name", "result", "constants", "options", "reason"),
    [
        ("PADV2", SMALL, [numbers([0, 0], [1, 1]), constant(np.float32([0]))], {}, "padding"),
        ("PADV2", SMALL, [numbers(*[[0, 65536]] * 4), constant(np.float32([0]))], {}, " elements"),
        ("PADV2", (2, 12, 6, 8), [ONE_SIDE, constant(np.float32([0, 0]))], {}, "2 numbers of type float32"),
        ("PADV2", (2, 12, 6, 8), [ONE_SIDE, constant(np.int8([0]))], {}, "1 numbers of type int8"),
        ("MIRROR_PAD", (2, 12, 6, 8), [ONE_SIDE], MODE | {"mode": 0}, "adds [0, 6] to axis 1"),
        ("MIRROR_PAD", (2, 12, 6, 8), [ONE_SIDE], MODE | {"mode": 2}, "mode 2"),
        ("MIRROR_PAD", SMALL, [ONE_SIDE], MODE, " elements"),
        ("SPACE_TO_DEPTH", (2, 1, 1, 200), [], {"table": "SpaceToDepthOptions", "blockSize": 5}, "no whole blocks"),
        ("SPACE_TO_DEPTH", SMALL, [], {"table": "SpaceToDepthOptions", "blockSize": 0}, "blocks of 0"),
        ("DEPTH_TO_SPACE", SMALL, [], {"table": "DepthToSpaceOptions", "blockSize": 3}, "no channels for blocks"),
        ("SPACE_TO_BATCH_ND", SMALL, [BLOCK, numbers([0, 1], [0, 0])], {}, " elements"),
        ("SPACE_TO_BATCH_ND", SMALL, [numbers(2, 4), NOTHING], {}, "no whole blocks"),
        ("SPACE_TO_BATCH_ND", SMALL, [numbers(2, 0), NOTHING], {}, "blocks of [2, 0]"),
        ("SPACE_TO_BATCH_ND", SMALL, [numbers(2, 2, 2), NOTHING], {}, "blocks of [2, 2, 2]"),
        ("BATCH_TO_SPACE_ND", SMALL, [BLOCK, NOTHING], {}, "no images for blocks"),
        ("BATCH_TO_SPACE_ND", SMALL, [numbers(1, 2), numbers([3, 3], [0, 0])], {}, "cuts 3 and 3 off"),
        ("RESIZE_BILINEAR", (2, 3, 3, 4), [numbers(3, 3)], {"table": "ResizeBilinearOptions"}, "makes [2, 3, 3, 8]"),
    ],
)
def test_what_contradicts_itself(name, result, constants, options, reason):
    x, y = Written(SMALL, "float32"), Written(result, "float32")
    with pytest.raises(CompileError) as caught:
        imported(single(name, [x], y, constants, **options))
    assert caught.value.code == "GL118"
    assert reason in caught.value.what
