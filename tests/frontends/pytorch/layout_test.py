"""Tensors are moved only where PyTorch's order of the axes matters."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from gradlet.frontends.pytorch.importer import import_module
from gradlet.frontends.pytorch.layouts import to_ir, to_user
from gradlet.frontends.pytorch.tensor import groups
from gradlet.tests.frontends.pytorch.imported import Function, check, normal, ops_of, toolbox
from gradlet.tests.models.initialisation import he

MOVING = {"transpose"}


def moved(program) -> int:
    return sum(op in MOVING for op in ops_of(program.graph))


def test_images_enter_channels_last():
    program = check(he(nn.Conv2d(3, 4, 3)), normal(2, 3, 8, 6))
    assert program.graph.inputs[0].type.shape == (2, 8, 6, 3)
    assert program.metadata == {"input.input.layout": "NCHW->NHWC", "output.logits.layout": "NCHW->NHWC"}
    assert ops_of(program.graph) == ["conv2d"]


def test_arrays_are_converted_there_and_back():
    program = import_module(he(nn.Conv2d(3, 4, 3)), normal(2, 3, 8, 6), toolbox=toolbox())
    x = np.arange(2 * 3 * 8 * 6).reshape(2, 3, 8, 6)
    ir = to_ir({"input": x, "label": np.arange(2)}, program.metadata)
    np.testing.assert_array_equal(ir["input"], x.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(ir["label"], [0, 1])
    y = np.arange(2 * 6 * 4 * 4).reshape(2, 6, 4, 4)
    np.testing.assert_array_equal(to_user({"logits": y}, program.metadata)["logits"], y.transpose(0, 3, 1, 2))


def test_images_that_are_channels_last_already_stay():
    module = nn.Sequential(Function(lambda x: (x - 0.5).permute(0, 3, 1, 2)), nn.Conv2d(3, 4, 3), nn.Flatten())
    program = check(he(module), normal(2, 8, 6, 3))
    assert moved(program) == 1  # before the last reshape, which has no layer behind it
    assert program.metadata == {}
    assert program.graph.inputs[0].type.shape == (2, 8, 6, 3)


def test_vectors_stay():
    program = check(he(nn.Linear(6, 4)), normal(3, 6))
    assert program.metadata == {}


@pytest.mark.parametrize("between", [nn.Identity(), nn.ReLU(), nn.Dropout(), nn.Sequential(nn.ReLU(), nn.Tanh())])
def test_linear_takes_over_the_order_of_a_flattened_image(between):
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), between, nn.Linear(4 * 4 * 5, 7))
    program = check(he(module), normal(2, 3, 6, 7))
    assert moved(program) == 0
    weight = next(s for s in program.graph.states if s.name == "3.weight")
    assert weight.source.view == (7, 4, 4, 5)
    np.testing.assert_array_equal(weight.source.to_user(weight.init), module[3].weight.detach().numpy())


class Shared(nn.Module):
    """Two images of different sizes, flattened and sent through one linear layer."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 8, 3, stride=2), nn.Linear(4 * 4 * 4, 7)

    def forward(self, x, y):
        return self.fc(self.a(x).flatten(1)) + self.fc(self.b(y).flatten(1)[:, :64])


def test_one_weight_in_two_orders():
    program = check(he(Shared()), normal(2, 3, 6, 6), normal(2, 3, 8, 8))
    assert [s.name for s in program.graph.states].count("fc.weight") == 1


def test_squeeze_and_excite_moves_nothing():
    class Excite(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.down, self.up = nn.Conv2d(3, 8, 3), nn.Linear(8, 2), nn.Linear(2, 8)

        def forward(self, x):
            x = self.conv(x)
            gate = torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3))))))
            return (x * gate[:, :, None, None]).mean((2, 3))

    program = check(he(Excite()), normal(2, 3, 6, 7))
    assert moved(program) == 0
    assert ops_of(program.graph).count("reshape") == 1


def test_channel_shuffle_moves_once():
    module = nn.Sequential(nn.Conv2d(3, 6, 1), nn.ChannelShuffle(2), nn.Conv2d(6, 4, 1))
    assert moved(check(he(module), normal(2, 3, 6, 7))) == 1


def test_layers_over_channels_behind_a_permutation_move_nothing():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(8, 8, 7, padding=3, groups=8)
            self.wide, self.narrow = nn.Linear(8, 16), nn.Linear(16, 8)

        def forward(self, x):
            y = self.conv(x).permute(0, 2, 3, 1)
            return x + self.narrow(F.silu(self.wide(y))).permute(0, 3, 1, 2)

    assert moved(check(he(Block()), normal(2, 8, 6, 7))) == 0


def test_a_batch_of_one_needs_no_other_rule():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 4 * 5, 7))
    assert moved(check(he(module), normal(1, 3, 6, 7))) == 0


def test_shared_weights_are_one_state():
    first, second = nn.Linear(5, 5), nn.Linear(5, 5)
    second.weight = first.weight
    program = check(nn.Sequential(first, nn.Tanh(), second), normal(2, 5))
    assert [s.name for s in program.graph.states] == ["0.weight", "0.bias", "2.bias"]


def test_frozen_parameters_stay_frozen():
    module = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5))
    module[0].requires_grad_(False)
    program = import_module(module, normal(2, 5), toolbox=toolbox())
    assert [s.name for s in program.graph.states if s.trainable] == ["1.weight", "1.bias"]


def test_states_do_not_follow_the_module():
    module = nn.Linear(5, 5)
    program = import_module(module, normal(2, 5), toolbox=toolbox())
    before = program.graph.states[0].init.copy()
    with torch.no_grad():
        module.weight.zero_()
    np.testing.assert_array_equal(program.graph.states[0].init, before)


def test_places_are_module_paths():
    module = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), nn.Flatten(), nn.Linear(64, 3))
    program = import_module(module, normal(1, 3, 6, 6), toolbox=toolbox())
    assert [(n.op, n.loc) for n in program.graph.nodes] == [
        ("conv2d", "0.0"),
        ("relu", "0.1"),
        ("reshape", "2"),
        ("dense", "2"),
    ]


def test_names_of_outputs():
    def outputs(module_output):
        program = import_module(Function(module_output), normal(2, 5), toolbox=toolbox())
        return [value.name for value in program.graph.outputs]

    assert outputs(lambda x: x * 2) == ["logits"]
    assert outputs(lambda x: (x * 2, x * 3)) == ["output0", "output1"]
    assert outputs(lambda x: {"a": x * 2, "b": [x * 3, x]}) == ["a", "b.0", "b.1"]
    assert outputs(lambda x: {"inputs_0": x}) == ["inputs_0_out"]


def test_groups_of_a_reshape():
    assert list(groups((2, 3, 4), (6, 4))) == [([0, 1], [0]), ([2], [1])]
    assert list(groups((2, 1, 12), (2, 3, 1, 4))) == [([0], [0]), ([2], [1, 3])]
    assert list(groups((6, 4), (4, 6))) == [([0, 1], [0, 1])]
    assert list(groups((1, 1), (1,))) == []
