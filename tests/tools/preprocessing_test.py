"""Samples become what the input of a program stores."""

import sys

import numpy as np
import pytest
from PIL import Image

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph
from gradlet.ir.tensor_type import DType, QuantParams, TensorType, f32
from gradlet.tools.datasets import Dataset, Split
from gradlet.tools.pictures import cropped
from gradlet.tools.preprocessing import Preprocessing, fit

REFERENCE = QuantParams((1 / 127.5,), (0,))
RELU = QuantParams((6 / 255,), (-128,))
RNG = np.random.default_rng(0)


def graph_with(*shape: int, dtype: DType = DType.I8, quant: QuantParams | None = REFERENCE) -> Graph:
    graph = Graph("net")
    graph.add_input("x", TensorType(dtype, shape, quant))
    return graph


def fitted(samples: np.ndarray, graph: Graph, **preprocessing) -> np.ndarray:
    split = fit(Split(samples, np.zeros(len(samples), np.int32)), graph, Preprocessing(**preprocessing))
    again = fit(split, graph, Preprocessing(**preprocessing))
    assert np.array_equal(again.inputs, split.inputs), "what is fitted stays as it is"
    return split.inputs


def objects(*items) -> np.ndarray:
    found = np.empty(len(items), object)
    for index, item in enumerate(items):
        found[index] = item
    return found


def test_pixels_become_what_the_reference_makes_of_them():
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    real = (pixels.astype(np.float32) / np.float32(255) - np.float32(0.5)) * np.float32(255)
    expected = np.clip(np.rint(real), -128, 127).astype(np.int8)
    found = fitted(pixels, graph_with(1, 16, 16, 1))
    assert found.dtype == np.int8 and np.array_equal(found, expected)
    assert (found.min(), found.max()) == (-128, 127)


def test_pixels_are_normalised_and_then_quantised():
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.25, 0.5)
    pixels = RNG.integers(0, 256, (4, 5, 5, 3), np.uint8)
    quant = QuantParams((0.03,), (-7,))
    real = (pixels / 255 - mean) / std
    found = fitted(pixels, graph_with(2, 5, 5, 3, quant=quant), mean=mean, std=std)
    assert np.abs(found - np.clip(real / 0.03 - 7, -128, 127)).max() < 0.5 + 1e-4
    floats = graph_with(2, 5, 5, 3, dtype=DType.F32, quant=None)
    assert np.allclose(fitted(pixels, floats, mean=mean, std=std), real, atol=1e-6)


def test_pixels_of_a_float_program_are_shares_of_255():
    pixels = RNG.integers(0, 256, (3, 4, 4), np.uint8)
    found = fitted(pixels, graph_with(1, 4, 4, 1, dtype=DType.F32, quant=None))
    assert np.array_equal(found, pixels[..., None] / np.float32(255))


def test_real_numbers_are_quantised_and_saturate():
    found = fitted(np.array([[0.0, 3.0, 6.0, 99.0, -1.0]], np.float32), graph_with(1, 5, quant=RELU))
    assert found.tolist() == [[-128, 0, 127, 127, -128]]


def test_stored_integers_are_taken_as_they_are():
    assert fitted(np.array([[-128, 127]], np.int64), graph_with(1, 2, quant=RELU)).tolist() == [[-128, 127]]


@pytest.mark.parametrize("samples", [np.array([[0, 128]]), np.array([[0.5, 0.5]])])
def test_numbers_that_an_input_cannot_store_are_refused(samples):
    with pytest.raises(CompileError, match="GL411"):
        fitted(samples, graph_with(1, 2, quant=None))


@pytest.mark.parametrize(
    ("size", "resized"), [((200, 300), (147, 220)), ((300, 200), (220, 147)), ((32, 32), (147, 147))]
)
def test_the_short_side_is_resized_and_the_centre_cut_out(size, resized):
    pixels = RNG.integers(0, 256, (*size, 3), np.uint8)
    whole = np.asarray(Image.fromarray(pixels).resize(resized[::-1], Image.Resampling.BILINEAR))
    top, left = round((resized[0] - 128) / 2), round((resized[1] - 128) / 2)
    found = cropped(Image.fromarray(pixels), (128, 128), 128 / 147)
    assert np.array_equal(found, whole[top : top + 128, left : left + 128])


@pytest.mark.parametrize("size", [(7, 5), (5, 7), (4, 4)])
@pytest.mark.parametrize("picture", [(90, 31), (31, 90), (3, 2)])
def test_a_crop_has_the_size_that_is_wanted(size, picture):
    whole = Image.fromarray(RNG.integers(0, 256, picture, np.uint8))
    for share in (1.0, 0.5, 128 / 147):
        assert cropped(whole, size, share).shape == (*size, 1)


def test_nothing_changes_where_nothing_is_cut():
    pixels = RNG.integers(0, 256, (9, 9, 3), np.uint8)
    assert np.array_equal(cropped(Image.fromarray(pixels), (9, 9), 1.0), pixels)


def test_pictures_of_all_sizes_and_kinds_fit(tmp_path):
    Image.fromarray(RNG.integers(0, 256, (40, 30, 4), np.uint8)).save(tmp_path / "a.png")  # with transparency
    gray, colour = RNG.integers(0, 256, (20, 25), np.uint8), RNG.integers(0, 256, (9, 70, 3), np.uint8)
    samples = objects(tmp_path / "a.png", gray, colour)
    found = fitted(samples, graph_with(2, 16, 16, 3))
    assert found.shape == (3, 16, 16, 3) and found.dtype == np.int8
    assert all(np.ptp(image.astype(int)) > 30 for image in found)
    assert np.array_equal(found[1, ..., 0], found[1, ..., 2]), "grey has three equal channels"
    assert fitted(samples, graph_with(2, 16, 16, 1)).shape == (3, 16, 16, 1)


def test_arrays_of_pixels_of_another_size_are_resized():
    for pixels in (RNG.integers(0, 256, (3, 32, 32, 3), np.uint8), RNG.integers(0, 256, (3, 3, 32, 32), np.uint8)):
        last = pixels if pixels.shape[-1] == 3 else np.moveaxis(pixels, 1, -1)
        found = fitted(pixels, graph_with(1, 16, 16, 3))
        assert np.array_equal(found, fitted(objects(*last), graph_with(1, 16, 16, 3)))


@pytest.mark.parametrize(
    ("samples", "shape"),
    [
        (objects(np.zeros((4, 4), np.float32)), (1, 8, 8, 3)),
        (objects(np.zeros((4, 4, 2), np.uint8)), (1, 8, 8, 3)),
        (objects(np.zeros((0, 4), np.uint8)), (1, 8, 8, 3)),
        (objects(np.zeros((1, 101), np.uint8)), (1, 8, 8, 3)),
        (objects(np.zeros((4, 4), np.uint8)), (1, 8)),
        (objects(np.zeros((4, 4), np.uint8)), (1, 8, 8, 5)),
        (np.zeros((1, 4, 4, 3), np.float32), (1, 8, 8, 3)),
    ],
)
def test_what_is_no_picture_is_refused(samples, shape):
    with pytest.raises(CompileError, match="GL411"):
        fitted(samples, graph_with(*shape))


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    file = tmp_path / "a.png"
    Image.fromarray(RNG.integers(0, 256, (40, 30, 3), np.uint8)).save(file)
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(CompileError, match="GL410") as caught:
        fitted(objects(file), graph_with(1, 8, 8, 3))
    assert caught.value.where == str(file)


def test_without_pillow_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(CompileError, match=r"GL416(.|\n)*gradlet\[data\]"):
        fitted(np.zeros((1, 4, 4, 3), np.uint8), graph_with(1, 8, 8, 3))


@pytest.mark.parametrize("options", [{"crop": 0}, {"crop": 1.5}, {"std": (0.0,)}, {"mean": (np.nan,)}])
def test_preprocessing_out_of_range(options):
    with pytest.raises(CompileError, match="GL212"):
        Preprocessing(**options)


def test_means_for_channels_that_there_are_not():
    with pytest.raises(CompileError, match="3 numbers to normalise the 1 channels"):
        fitted(np.zeros((1, 4, 4), np.uint8), graph_with(1, 4, 4, 1), mean=(0.1, 0.2, 0.3))


def test_two_inputs_are_refused():
    graph = graph_with(1, 4)
    graph.add_input("second", f32(1, 4))
    data = Dataset(*[Split(np.zeros((1, 4), np.float32), np.zeros(1, np.int32))] * 2)
    with pytest.raises(CompileError, match="a data set feeds one"):
        fit(data.train, graph)
