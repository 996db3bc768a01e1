"""All int8 activations equal those of the outside witness, which computes with the numbers of the checkpoint."""

import numpy as np
import pytest

from gradlet.frontends.mcunet.checkpoint import network, read
from gradlet.frontends.mcunet.pickled import unpickled
from gradlet.frontends.mcunet.states import layer_of
from gradlet.ir.constant_channels import constant_channels, harmless
from gradlet.ir.requantize import ROUNDINGS
from gradlet.tests.frontends.mcunet import integers
from gradlet.tests.frontends.mcunet.imported import activations, imported, imported_content
from gradlet.tests.frontends.mcunet.real import NETWORKS, path_of, photographs
from gradlet.tests.int8_witness import read_checkpoint
from gradlet.tests.small_checkpoint import DEAD, RESOLUTION, checkpoint, pickled


def compare(graph, content, image, rounding) -> int:
    """Asserts that all activations are equal; returns how many there are."""
    found, count = activations(graph, image), 0
    for place, expected in integers.activations(content, image, rounding):
        actual = found.pop(place).reshape(expected.shape)
        assert np.array_equal(actual, expected), f"{place}: {(actual != expected).sum()} of {actual.size} differ"
        count += actual.size
    assert not found
    return count


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("seed", range(3))
def test_activations(rounding, seed):
    content = checkpoint(seed)
    image = np.random.default_rng(seed).integers(-128, 128, (2, RESOLUTION, RESOLUTION, 3)).astype(np.int8)
    graph = imported_content(content, 2, rounding=rounding).graph
    assert compare(graph, content, image, rounding) > 10_000
    spread = [np.unique(array).size for _, array in integers.activations(content, image, rounding)]
    assert min(spread[:-2]) > 50, "activations that do not vary prove nothing"


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", NETWORKS)
def test_activations_of_the_published_networks_on_photographs(name, rounding):
    path, image = path_of(name), photographs(2, 128)
    graph = imported(path, 2, rounding=rounding).graph
    assert compare(graph, read_checkpoint(path), image, rounding) > 1_000_000


def test_activations_at_another_resolution():
    path, image = path_of("mcunet-5fps"), photographs(2, 80)
    graph = imported(path, 2, resolution=80).graph
    assert compare(graph, read_checkpoint(path), image, "float") > 400_000


def convolutions(described) -> list:
    return [c for block in described.blocks for c in block.convolutions]


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_constant_channels_are_found(rounding):
    for conv in convolutions(network(unpickled(pickled(checkpoint())))):
        expected = [channel for place, channel, _ in DEAD if conv.place.endswith(place)]
        assert np.flatnonzero(constant_channels(layer_of(conv, rounding))[0]).tolist() == expected


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", NETWORKS)
def test_constant_channels_of_the_published_networks_are_found(name, rounding):
    found = convolutions(read(path_of(name)))
    assert sum(int(constant_channels(layer_of(conv, rounding))[0].sum()) for conv in found) == NETWORKS[name].constant
    tiny = [conv.weight_scales < 1e-8 for conv in found]
    assert sum(int(t.sum()) for t in tiny) == NETWORKS[name].tiny
    assert all(harmless(layer_of(conv, rounding)).constant[t].all() for conv, t in zip(found, tiny, strict=True))


def test_constant_channels_have_numbers_that_cannot_do_harm():
    described = network(unpickled(pickled(checkpoint())))
    for conv in convolutions(described):
        numbers = harmless(layer_of(conv, "float"))
        dead = numbers.constant
        assert not numbers.weight[dead].any()
        assert (numbers.ratios[dead] == 2.0**-20).all()
        assert (np.abs(numbers.bias[dead].astype(np.int64)) <= 2**28).all()
        for array, original in ((numbers.weight, conv.weight), (numbers.bias, conv.bias)):
            np.testing.assert_array_equal(array[~dead], original[~dead])
