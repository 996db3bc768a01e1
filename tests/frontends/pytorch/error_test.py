"""What cannot be imported is told with its place and a next step, all at once."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from gradlet.frontends.pytorch.importer import import_module
from gradlet.ir.errors import CompileError
from gradlet.ir.plugin import Plugin, Toolbox, builtin
from gradlet.tests.frontends.pytorch.imported import Function, normal, run, toolbox


def refused(code: str, module: nn.Module, *samples: object) -> CompileError:
    with pytest.raises(CompileError) as caught:
        import_module(module, samples, toolbox=toolbox())
    assert caught.value.code == code, caught.value
    assert caught.value.hint
    return caught.value


class Unsupported(nn.Module):
    def __init__(self):
        super().__init__()
        self.acts = nn.Sequential(nn.LogSigmoid(), nn.Linear(6, 6), nn.LogSigmoid())
        self.cut = nn.Threshold(0.1, 0.5)
        self.pool = nn.MaxPool1d(2, dilation=2)

    def forward(self, x):
        x = torch.cumsum(self.acts(x), 1)
        return self.pool(self.cut(x))


def test_all_unsupported_operators_in_one_error():
    error = refused("GL105", Unsupported(), normal(3, 4, 6))
    assert error.what.splitlines() == [
        "4 unsupported operators:",
        "  aten.log_sigmoid.default at acts.0 (error_test.py:31), acts.2 (error_test.py:31)",
        "  aten.cumsum.default at cumsum (error_test.py:31)",
        "  aten.threshold.default at cut (error_test.py:32)",
        "  aten.max_pool1d.default: dilation=[2]: windows with holes are not supported at pool (error_test.py:32)",
    ]
    assert error.where == "acts.0 (error_test.py:31)"
    assert "Plugin.converters" in error.hint


@pytest.mark.parametrize(
    ("function", "shape", "reason"),
    [
        (
            lambda x: F.conv_transpose2d(x, torch.ones(2, 1, 2, 2), output_padding=1, dilation=2),
            (1, 2, 4, 4),
            "output_padding=[1, 1]",
        ),
        (lambda x: F.adaptive_avg_pool2d(x, 3), (1, 2, 4, 4), "[4, 4] to [3, 3]"),
        (lambda x: F.interpolate(x, scale_factor=1.3), (1, 2, 5, 5), "no whole size"),
        (lambda x: F.interpolate(x, size=(8, 8), mode="bicubic"), (1, 2, 4, 4), "aten.upsample_bicubic2d.vec"),
        (lambda x: torch.div(x, 2, rounding_mode="floor"), (3,), "rounding_mode='floor'"),
        (lambda x: x.max(1).indices * x[:, 0], (3, 4), "reads a result that has no counterpart"),
        (lambda x: F.max_pool2d(x, 2, return_indices=True)[1] * 1.5, (1, 2, 4, 4), "no counterpart"),
        (lambda x: x.to(torch.float64), (3,), "elements of type float64"),
        (lambda x: x[torch.tensor([0, 2]), torch.tensor([1, 1])], (3, 4), "indices of several axes"),
        (
            lambda x: F.embedding(torch.tensor([1, 0]), x + 1, padding_idx=1, scale_grad_by_freq=True),
            (3, 4),
            "scale_grad_by_freq",
        ),
        (
            lambda x: F.instance_norm(x, torch.zeros(2), torch.ones(2), use_input_stats=True),
            (2, 2, 5),
            "tracks its statistics",
        ),
        (lambda x: torch.where(x > 0, x, -x), (3,), "aten.where.self"),
        (lambda x: F.dropout(x, 1.0), (3,), "a rate of 1"),
        (lambda x: x.var(0), (1, 3), "the variance of 1 elements"),
        (lambda x: F.conv_transpose3d(x, x), (2, 2, 3, 3, 3), "aten.conv_transpose3d.input"),
    ],
)
def test_unsupported_use(function, shape, reason):
    assert reason in refused("GL105", Function(function), normal(*shape)).what


def test_stopped_gradients_are_refused_only_where_one_flows():
    learning = nn.Sequential(nn.Linear(4, 4), Function(lambda x: x.detach() + 1))
    assert "no gradient can be stopped here" in refused("GL105", learning, normal(2, 4)).what
    import_module(learning.requires_grad_(False), normal(2, 4), toolbox=toolbox())
    import_module(Function(lambda x: x.detach() + 1), normal(2, 4), toolbox=toolbox())


def test_changed_buffers():
    class Counting(nn.Module):
        def __init__(self, *, reads: bool):
            super().__init__()
            self.register_buffer("seen", torch.zeros(3))
            self.reads = reads

        def forward(self, x):
            self.seen.add_(x.sum(0))
            return x + self.seen if self.reads else x * 2

    assert "changes buffer seen" in refused("GL105", Counting(reads=True), normal(2, 3)).what
    import_module(Counting(reads=False), normal(2, 3), toolbox=toolbox())


def test_control_flow_on_data():
    class Branching(nn.Module):
        def forward(self, x):
            if x.sum() > 0:
                return x
            return -x

    error = refused("GL106", Branching(), normal(3))
    assert "depends on the values" in error.what
    assert error.where.startswith("error_test.py:") and error.where.endswith("in forward")


def test_modules_that_cannot_be_captured():
    class Listing(nn.Module):
        def forward(self, x):
            return x * torch.from_numpy(x.numpy())

    assert refused("GL106", Listing(), normal(3)).where.endswith("in forward")


def test_one_module_under_two_names_in_training():
    norm = nn.BatchNorm1d(4)
    assert "two names" in refused("GL106", nn.Sequential(norm, nn.ReLU(), norm), normal(3, 4)).hint


def test_samples_that_do_not_fit():
    error = refused("GL112", nn.Sequential(nn.Linear(4, 3)), normal(2, 5))
    assert "fails on its sample input" in error.what
    refused("GL112", nn.Linear(4, 3), normal(2, 4), normal(2, 4))
    refused("GL112", nn.Linear(4, 3))
    refused("GL112", nn.Linear(4, 3), None)


def test_element_types():
    assert "float64" in refused("GL108", nn.Linear(4, 3).double(), normal(2, 4).double()).what
    assert "float64" in refused("GL108", nn.ReLU(), np.zeros((2, 3))).what
    assert "uint8" in refused("GL108", nn.ReLU(), torch.zeros(2, 4, dtype=torch.uint8)).what

    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(4, dtype=torch.float64))

        def forward(self, x):
            return x * self.scale.float()

    assert "scale has elements of type float64" in refused("GL108", Mixed(), normal(2, 4)).what


def test_nothing_to_predict():
    refused("GL109", Function(lambda x: None), normal(3))


def double(b, x):
    return b.like(b("scale", b.tensor(x).value, factor=2.0), b.tensor(x))


CONVERTERS = {"aten.erf.default": double}


def test_a_plugin_brings_a_converter():
    plugin = Plugin("erf", converters={"pytorch": [f"{__name__}:CONVERTERS"]})
    tools = Toolbox([builtin(), plugin])
    program = import_module(Function(torch.erf), normal(3), toolbox=tools)
    x = normal(3).numpy()
    np.testing.assert_array_equal(run(program, {"inputs_0": x})["logits"], 2 * x)
    clash = Toolbox([builtin(), plugin, Plugin("other", converters=plugin.converters)])
    with pytest.raises(CompileError, match="owned by 'erf'") as caught:
        clash.converters("pytorch")
    assert caught.value.code == "GL501"


def test_samples_of_other_kinds():
    linear = nn.Linear(4, 3)
    for sample in (np.zeros((2, 4), np.float32), [torch.zeros(2, 4)], {"input": torch.zeros(2, 4)}):
        program = import_module(linear, sample, toolbox=toolbox(), batch=5)
        assert str(program.graph.inputs[0].type) == "f32[5,4]"
