"""The networks of the zoo have the shapes of the int8 checkpoints, and come through the frontend."""

import os
from pathlib import Path

import pytest
import torch

from gradlet.frontends.pytorch.importer import import_module
from gradlet.frontends.pytorch.zoo.architectures import (
    MCUNET_5FPS,
    mobilenet_v2,
    nearest_multiple,
    next_multiple,
    proxyless_nas,
)
from gradlet.frontends.pytorch.zoo.network import Network
from gradlet.tests.frontends.pytorch.imported import ops_of, toolbox, worst_error
from gradlet.tests.int8_witness import read_checkpoint
from gradlet.tests.models.initialisation import he

DATA = Path(os.environ.get("GRADLET_DATA", "../shared/data"))
# Checkpoint -> architecture, its convolutions, its parameters without head and batch normalisation.
NETWORKS = {
    "mcunet-5fps": (MCUNET_5FPS, 42, 463_216),
    "mbv2-w0.35": (mobilenet_v2(), 51, 238_688),
    "proxyless-w0.3": (proxyless_nas(), 60, 320_816),
}


def convolutions(module: torch.nn.Module) -> dict[str, torch.nn.Conv2d]:
    found = {name: m for name, m in module.named_modules() if isinstance(m, torch.nn.Conv2d)}
    return {name.removesuffix(".conv"): m for name, m in found.items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_size(name):
    architecture, count, parameters = NETWORKS[name]
    found = convolutions(Network(architecture))
    assert len(found) == count
    assert sum(conv.weight.numel() for conv in found.values()) == parameters


@pytest.mark.parametrize("name", NETWORKS)
def test_shapes_are_those_of_the_checkpoint(name):
    path = DATA / "models" / f"{name}.pkl"
    if not path.exists():
        pytest.skip(f"{path} is missing: set GRADLET_DATA")
    content, network = read_checkpoint(path), Network(NETWORKS[name][0])
    records = {"first_conv": content["first_conv"]}
    for index, block in enumerate(content["blocks"]):
        kinds = [kind for kind in ("pointwise1", "depthwise", "pointwise2") if block[kind]]
        records |= {f"blocks.{index}.{kind}": block[kind] for kind in kinds}
        assert network.blocks[index].is_residual == (block["residual"] is not None)
    found = convolutions(network)
    assert list(found) == list(records)
    for place, conv in found.items():
        record = records[place]
        assert tuple(conv.weight.shape) == record["params"]["weight"].shape, place
        assert (conv.stride, conv.groups) == ((record["stride"],) * 2, record["groups"]), place
    assert tuple(network.classifier.weight.shape) == content["classifier"]["params"]["weight"].shape[:2]


@pytest.mark.parametrize("name", NETWORKS)
def test_equals_the_module(name):
    module = he(Network(NETWORKS[name][0], classes=10)).eval()
    x = torch.randn((2, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    program = import_module(module, x, toolbox=toolbox(), name=name)
    assert program.graph.inputs[0].name == "image"
    places = {n.loc for n in program.graph.nodes if n.op in ("conv2d", "depthwise_conv2d")}
    assert places == {f"{place}.conv" for place in convolutions(module)}
    assert ops_of(program.graph).count("add") == sum(block.is_residual for block in module.blocks)
    assert worst_error(program, module, x) < 1e-5
    assert worst_error(program, module, x, float64=True) < 1e-12


def test_mobilenet_v2_of_the_paper():
    network = Network(mobilenet_v2(1.0, last=1280))
    assert network.classifier.in_features == 1280
    assert sum(p.numel() for p in network.parameters()) == 3_504_872, "as torchvision's mobilenet_v2 has"


@pytest.mark.parametrize(
    ("channels", "nearest", "following"),
    [(3, 8, 8), (8, 8, 8), (8.4, 8, 16), (11.2, 16, 16), (57.6, 56, 64), (96.0000001, 96, 96)],
)
def test_numbers_of_channels_are_multiples_of_eight(channels, nearest, following):
    assert nearest_multiple(channels) == nearest
    assert next_multiple(channels) == following
