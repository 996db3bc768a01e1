"""Each operator, with each of its attributes, does in the IR what it does in PyTorch."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from gradlet.autodiff.reverse import differentiate
from gradlet.backends.reference.executor import Executor
from gradlet.frontends.pytorch.importer import import_module
from gradlet.ir.errors import CompileError
from gradlet.tests.frontends.pytorch.imported import Function, check, normal, run, toolbox
from gradlet.tests.models.initialisation import he

IMAGE = (2, 6, 7, 5)
SIGNAL = (2, 6, 11)
ROW = (3, 6)

LAYERS = {
    "conv2d": (nn.Conv2d(6, 8, 3), IMAGE),
    "conv2d_attributes": (nn.Conv2d(6, 8, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), bias=False), IMAGE),
    "conv2d_groups": (nn.Conv2d(6, 8, 3, groups=2), IMAGE),
    "conv2d_same": (nn.Conv2d(6, 8, (4, 3), padding="same", dilation=(1, 2)), IMAGE),
    "conv2d_valid": (nn.Conv2d(6, 8, 3, padding="valid"), IMAGE),
    "conv2d_one_channel": (nn.Conv2d(1, 3, 3), (2, 1, 5, 5)),
    "conv2d_unbatched": (nn.Conv2d(6, 8, 3), IMAGE[1:]),
    "transposed": (nn.ConvTranspose2d(6, 8, 3, stride=2, padding=1, output_padding=1), IMAGE),
    "transposed_attributes": (
        nn.ConvTranspose2d(6, 4, (3, 2), (3, 1), (1, 2), (2, 0), groups=2, bias=False, dilation=(1, 3)),
        IMAGE,
    ),
    "transposed_output_padding": (nn.ConvTranspose2d(6, 8, 2, stride=3, output_padding=2), IMAGE),
    "transposed_depthwise": (nn.ConvTranspose2d(6, 6, 3, padding=1, groups=6), IMAGE),
    "transposed_unbatched": (nn.ConvTranspose2d(6, 8, 3), IMAGE[1:]),
    "transposed1d": (nn.ConvTranspose1d(6, 4, 3, stride=2, padding=1), SIGNAL),
    "transposed_in_between": (
        nn.Sequential(
            nn.Conv2d(6, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.ConvTranspose2d(4, 5, 2, 2), nn.BatchNorm2d(5)
        ),
        IMAGE,
    ),
    "depthwise": (nn.Conv2d(6, 6, 3, padding=1, groups=6), IMAGE),
    "depthwise_multiplier": (nn.Conv2d(6, 12, 5, stride=2, padding=2, groups=6), IMAGE),
    "conv1d": (nn.Conv1d(6, 8, 3, stride=2, padding=1), SIGNAL),
    "conv1d_depthwise": (nn.Conv1d(6, 12, 3, groups=6, dilation=2), SIGNAL),
    "conv1d_chain": (nn.Sequential(nn.Conv1d(6, 4, 3), nn.ReLU(), nn.Conv1d(4, 2, 1)), SIGNAL),
    "linear": (nn.Linear(6, 4), ROW),
    "linear_no_bias": (nn.Linear(6, 4, bias=False), ROW),
    "linear_vector": (nn.Linear(6, 4), (6,)),
    "linear_last_axis_of_image": (nn.Sequential(nn.Conv2d(6, 4, 1), nn.Linear(5, 3)), IMAGE),
    "batch_norm2d": (nn.BatchNorm2d(6), IMAGE),
    "batch_norm1d": (nn.BatchNorm1d(6), ROW),
    "batch_norm1d_signal": (nn.BatchNorm1d(6), SIGNAL),
    "batch_norm_not_affine": (nn.BatchNorm2d(6, affine=False, eps=1e-3), IMAGE),
    "layer_norm": (nn.LayerNorm(6), ROW),
    "layer_norm_of_planes": (nn.Sequential(nn.Conv2d(6, 4, 1), nn.LayerNorm((7, 5), eps=2**-10)), IMAGE),
    "layer_norm_without_bias": (nn.LayerNorm((4, 6), bias=False), (3, 4, 6)),
    "layer_norm_not_affine": (nn.LayerNorm(6, elementwise_affine=False), ROW),
    "rms_norm": (nn.RMSNorm(6, eps=2**-7), ROW),
    "rms_norm_not_affine": (nn.RMSNorm((4, 6), eps=2**-7, elementwise_affine=False), (3, 4, 6)),
    "group_norm": (nn.Sequential(nn.Conv2d(6, 6, 1), nn.GroupNorm(3, 6)), IMAGE),
    "group_norm_signal": (nn.GroupNorm(2, 6, affine=False), SIGNAL),
    "instance_norm": (nn.InstanceNorm2d(6, affine=True), IMAGE),
    "instance_norm_tracked": (nn.InstanceNorm1d(6, track_running_stats=True), SIGNAL),
    "transformer": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (2, 5, 8)),
    "transformer_norm_first": (
        nn.TransformerEncoderLayer(8, 4, 16, norm_first=True, activation="gelu", bias=False),
        (5, 2, 8),
    ),
    "dropout": (nn.Dropout(0.5), ROW),
    "relu": (nn.ReLU(), IMAGE),
    "relu_in_place": (nn.Sequential(nn.Conv2d(6, 4, 1), nn.ReLU(inplace=True)), IMAGE),
    "relu6": (nn.ReLU6(), IMAGE),
    "hardtanh": (nn.Hardtanh(-0.5, 0.7), IMAGE),
    "sigmoid": (nn.Sigmoid(), IMAGE),
    "hardsigmoid": (nn.Hardsigmoid(), IMAGE),
    "silu": (nn.SiLU(), IMAGE),
    "hardswish": (nn.Hardswish(), IMAGE),
    "tanh": (nn.Tanh(), IMAGE),
    "leaky_relu": (nn.LeakyReLU(0.2), IMAGE),
    "prelu": (nn.PReLU(6), IMAGE),
    "prelu_rows": (nn.PReLU(6), ROW),
    "prelu_single": (nn.PReLU(), IMAGE),
    "elu": (nn.ELU(0.7), IMAGE),
    "softplus": (nn.Softplus(beta=2), ROW),
    "mish": (nn.Mish(), IMAGE),
    "selu": (nn.SELU(), ROW),
    "celu": (nn.CELU(0.7), ROW),
    "gelu": (nn.GELU(), IMAGE),
    "gelu_approximate": (nn.GELU("tanh"), ROW),
    "glu": (nn.GLU(1), IMAGE),
    "softmax": (nn.Softmax(1), ROW),
    "softmax_channels": (nn.Sequential(nn.Conv2d(6, 4, 1), nn.Softmax(1)), IMAGE),
    "softmax_width": (nn.Sequential(nn.Conv2d(6, 4, 1), nn.Softmax(-1)), IMAGE),
    "log_softmax": (nn.LogSoftmax(-1), ROW),
    "max_pool2d": (nn.MaxPool2d(3, 2, padding=1), IMAGE),
    "max_pool2d_uneven": (nn.MaxPool2d((2, 3), (1, 2)), IMAGE),
    "max_pool2d_ceil": (nn.MaxPool2d(2, ceil_mode=True), IMAGE),
    "max_pool2d_ceil_last_window": (nn.MaxPool2d(2, 3, padding=1, ceil_mode=True), (1, 2, 5, 6)),
    "max_pool1d": (nn.MaxPool1d(3), SIGNAL),
    "avg_pool2d": (nn.AvgPool2d(2), IMAGE),
    "avg_pool2d_padding": (nn.AvgPool2d(3, 2, padding=1), IMAGE),
    "avg_pool2d_exclude": (nn.AvgPool2d(3, 2, padding=1, count_include_pad=False), IMAGE),
    "avg_pool2d_ceil": (nn.AvgPool2d(2, ceil_mode=True), IMAGE),
    "avg_pool2d_ceil_padding": (nn.AvgPool2d(3, 2, padding=1, ceil_mode=True), (2, 3, 6, 8)),
    "avg_pool2d_ceil_exclude": (nn.AvgPool2d(3, 2, padding=1, ceil_mode=True, count_include_pad=False), (2, 3, 6, 8)),
    "avg_pool2d_divisor": (nn.AvgPool2d(2, divisor_override=3), IMAGE),
    "avg_pool1d": (nn.AvgPool1d(3, 2, padding=1), SIGNAL),
    "adaptive_avg_pool2d": (nn.AdaptiveAvgPool2d(1), IMAGE),
    "adaptive_avg_pool2d_even": (nn.AdaptiveAvgPool2d((2, 3)), (2, 4, 6, 6)),
    "adaptive_avg_pool2d_none": (nn.AdaptiveAvgPool2d((None, 1)), IMAGE),
    "adaptive_avg_pool1d": (nn.AdaptiveAvgPool1d(1), SIGNAL),
    "adaptive_max_pool2d": (nn.AdaptiveMaxPool2d((2, 3)), (2, 4, 6, 6)),
    "adaptive_max_pool2d_one": (nn.AdaptiveMaxPool2d(1), IMAGE),
    "nearest": (nn.Upsample(scale_factor=2), IMAGE),
    "nearest_size": (nn.Upsample(size=(9, 4)), IMAGE),
    "nearest_exact": (nn.Upsample(size=(9, 4), mode="nearest-exact"), IMAGE),
    "bilinear": (nn.Upsample(scale_factor=(2, 3), mode="bilinear"), IMAGE),
    "bilinear_aligned": (nn.Upsample(size=(11, 3), mode="bilinear", align_corners=True), IMAGE),
    "pixel_shuffle": (nn.PixelShuffle(2), (2, 8, 3, 4)),
    "pixel_unshuffle": (nn.PixelUnshuffle(2), (2, 3, 4, 6)),
    "channel_shuffle": (nn.ChannelShuffle(3), IMAGE),
    "zero_pad": (nn.ZeroPad2d((1, 2, 0, 3)), IMAGE),
    "constant_pad": (nn.ConstantPad2d((1, -1, -2, 3), 0.5), IMAGE),
    "reflection_pad": (nn.ReflectionPad2d((1, 2, 0, 3)), IMAGE),
    "replication_pad": (nn.ReplicationPad2d((1, 7, 8, 0)), IMAGE),
    "circular_pad": (nn.CircularPad2d((1, 2, 0, 3)), IMAGE),
    "reflection_pad1d": (nn.Sequential(nn.ReflectionPad1d(3), nn.Conv1d(6, 4, 3)), SIGNAL),
    "flatten": (nn.Flatten(), IMAGE),
    "identity": (nn.Identity(), ROW),
}


def assigned_slice(x):
    y = F.max_pool2d(x, 1)
    y[:, 1:3] += 1
    y[..., -2:] = x[..., :2]
    return y


def assigned_index(x):
    y = F.max_pool2d(x, 1)
    y[:, 0] = 2 * y[:, 1]
    y[..., 2] = 0.5
    return y


FUNCTIONS = {
    "add": (lambda x, y: x + y, [IMAGE, IMAGE]),
    "add_scalar": (lambda x: x + 1.5, [IMAGE]),
    "add_alpha": (lambda x, y: torch.add(x, y, alpha=0.5), [IMAGE, IMAGE]),
    "add_in_place": (lambda x: torch.relu(x).add_(1).mul_(2), [IMAGE]),
    "sub": (lambda x, y: x - y, [IMAGE, IMAGE]),
    "sub_from_scalar": (lambda x: 2 - x, [IMAGE]),
    "mul": (lambda x, y: x * y, [IMAGE, IMAGE]),
    "mul_scalar": (lambda x: 3 * x, [IMAGE]),
    "div": (lambda x, y: x / (y.abs() + 1), [IMAGE, IMAGE]),
    "div_scalar": (lambda x: x / 3, [IMAGE]),
    "scalar_div": (lambda x: 2 / (x.abs() + 1), [IMAGE]),
    "broadcast_channels": (lambda x, y: x * y, [IMAGE, (6, 1, 1)]),
    "broadcast_width": (lambda x, y: x + y, [IMAGE, (5,)]),
    "broadcast_plane": (lambda x, y: x - y, [IMAGE, (7, 5)]),
    "broadcast_both": (lambda x, y: x * y, [(2, 6, 1, 5), (1, 6, 7, 1)]),
    "broadcast_smaller_first": (lambda x, y: x - y, [(6, 1, 1), IMAGE]),
    "neg": (lambda x: -x, [ROW]),
    "exp": (lambda x: x.exp(), [ROW]),
    "log": (lambda x: (x.abs() + 1).log(), [ROW]),
    "sqrt": (lambda x: x.abs().sqrt(), [ROW]),
    "rsqrt": (lambda x: (x.abs() + 1).rsqrt(), [ROW]),
    "reciprocal": (lambda x: (x.abs() + 1).reciprocal(), [ROW]),
    "pow": (lambda x: x**2 + x**3 + x**4 + (x.abs() + 1) ** 0.5 + (x.abs() + 1) ** -2, [ROW]),
    "square": (lambda x: x.square(), [ROW]),
    "clamp": (lambda x: x.clamp(-0.5, 0.25), [ROW]),
    "clamp_min": (lambda x: x.clamp(min=-0.5), [ROW]),
    "clamp_max": (lambda x: x.clamp(max=0.5), [ROW]),
    "clamp_min_zero": (lambda x: x.clamp_min(0), [ROW]),
    "pow_of_any": (lambda x: (x.abs() + 0.25) ** 2.5 + x**5 + (x.abs() + 0.25) ** -0.75, [ROW]),
    "pow_of_tensors": (lambda x, y: (x.abs() + 0.25) ** y + 2.0**y, [ROW, ROW]),
    "maximum": (lambda x, y: torch.maximum(x, y) - torch.minimum(x, y), [ROW, ROW]),
    "matmul": (lambda x, y: x @ y, [(3, 4), (4, 5)]),
    "matmul_batch": (lambda x, y: x @ y, [(2, 3, 4), (2, 4, 5)]),
    "matmul_transposed": (lambda x, y: x @ y.transpose(-2, -1), [(2, 3, 4), (2, 5, 4)]),
    "matmul_both_transposed": (lambda x, y: x.mT @ y.mT, [(2, 4, 3), (2, 5, 4)]),
    "matmul_broadcast": (lambda x, y: x @ y, [(2, 1, 3, 4), (6, 4, 5)]),
    "matmul_one_matrix": (lambda x, y: x @ y, [(2, 3, 4), (4, 5)]),
    "matmul_vector": (lambda x, y: x @ y, [(3, 4), (4,)]),
    "vector_matmul": (lambda x, y: x @ y, [(4,), (4, 3)]),
    "matmul_channels": (lambda x: F.avg_pool2d(x, 1) @ x.transpose(2, 3), [IMAGE]),
    "bmm": (lambda x, y: torch.bmm(x, y), [(2, 3, 4), (2, 4, 5)]),
    "mm": (lambda x, y: torch.mm(x, y), [(3, 4), (4, 5)]),
    "addmm": (lambda c, x, y: torch.addmm(c, x, y, beta=0.5, alpha=2), [(5,), (3, 4), (4, 5)]),
    "baddbmm": (lambda c, x, y: torch.baddbmm(c, x, y), [(2, 3, 5), (2, 3, 4), (2, 4, 5)]),
    "mean": (lambda x: x.mean((2, 3)), [IMAGE]),
    "mean_keepdim": (lambda x: x.mean((2, 3), keepdim=True), [IMAGE]),
    "mean_all": (lambda x: x.mean(), [IMAGE]),
    "mean_channels": (lambda x: F.relu6(x).mean(1), [IMAGE]),
    "sum": (lambda x: x.sum(-1), [IMAGE]),
    "sum_all": (lambda x: x.sum(), [IMAGE]),
    "amax": (lambda x: x.amax((1, 3)), [IMAGE]),
    "amin": (lambda x: x.amin(1, keepdim=True), [IMAGE]),
    "max_values": (lambda x: x.max(1).values, [IMAGE]),
    "min_values": (lambda x: x.min(1).values, [IMAGE]),
    "max_all": (lambda x: x.max(), [IMAGE]),
    "var": (lambda x: x.var((2, 3)), [IMAGE]),
    "std_biased": (lambda x: x.std(1, unbiased=False, keepdim=True), [IMAGE]),
    "view": (lambda x: x.view(2, 6, 35), [IMAGE]),
    "view_minus_one": (lambda x: x.view(2, -1), [IMAGE]),
    "view_mixed": (lambda x: F.max_pool2d(x, 1).reshape(3, 4, 35), [IMAGE]),
    "unflatten": (lambda x: x.unflatten(1, (2, 3)), [IMAGE]),
    "squeeze": (lambda x: x[:, :1, :, :1].squeeze(), [IMAGE]),
    "squeeze_dim": (lambda x: x[:, :1].squeeze(1), [IMAGE]),
    "unsqueeze": (lambda x: x.unsqueeze(1) * x.unsqueeze(-1), [ROW]),
    "permute": (lambda x: F.max_pool2d(x, 1).permute(0, 2, 3, 1), [IMAGE]),
    "transpose": (lambda x: F.max_pool2d(x, 1).transpose(1, 3).contiguous(), [IMAGE]),
    "cat_channels": (lambda x, y: torch.cat([F.max_pool2d(x, 1), y], 1), [IMAGE, IMAGE]),
    "cat_width": (lambda x: torch.cat([F.max_pool2d(x, 1), x], -1), [IMAGE]),
    "cat_rows": (lambda x, y: torch.cat([x, y]), [ROW, ROW]),
    "stack": (lambda x, y: torch.stack([x, y], 1), [ROW, ROW]),
    "slice": (lambda x: F.max_pool2d(x, 1)[:, 1:5:2, :-2, 1:], [IMAGE]),
    "select": (lambda x: F.max_pool2d(x, 1)[:, 2] + x[:, :, 3, -1].mean(), [IMAGE]),
    "narrow": (lambda x: x.narrow(1, 2, 3), [IMAGE]),
    "split": (lambda x: [2 * part for part in F.max_pool2d(x, 1).split(4, 1)], [IMAGE]),
    "split_sizes": (lambda x: torch.split(x, [1, 2, 3], 1)[1], [IMAGE]),
    "chunk": (lambda x: torch.mul(*x.chunk(2, 1)), [IMAGE]),
    "unbind": (lambda x: sum(x.unbind(1)), [ROW]),
    "expand": (lambda x: x.unsqueeze(1).expand(3, 4, -1) * 2, [ROW]),
    "repeat": (lambda x: x.repeat(2, 1, 3) + x[:1].repeat(6, 1).sum(), [ROW]),
    "clone": (lambda x: x.clone().contiguous(), [ROW]),
    "half_and_back": (lambda x: (x * 0 + 1).half().float() + x, [ROW]),
    "zeros": (lambda x: x + torch.zeros_like(x) + torch.ones(6) + torch.full((3, 1), 0.5), [ROW]),
    "new_zeros": (lambda x: torch.cat([x, x.new_zeros(3, 2), x.new_ones(3, 1)], 1), [ROW]),
    "constant_tensor": (lambda x: x * torch.tensor([1.0, 2, 3, 4, 5, 6]), [ROW]),
    "mean_then_view": (lambda x: x.mean((2, 3), keepdim=True).view(2, 6) * 2, [IMAGE]),
    "norm": (lambda x: F.normalize(x) * x.norm(), [ROW]),
    "einsum": (lambda x, y: torch.einsum("nchw,nkhw->nck", x, y), [IMAGE, IMAGE]),
    "outer": (lambda x: torch.outer(x[0], x[1]) + torch.dot(x[0], x[2]), [ROW]),
    "tile": (lambda x: x.tile(2), [ROW]),
    "addcmul": (lambda x, y: torch.addcmul(x, y, y, value=0.5) + torch.addcdiv(x, y, y.abs() + 1), [ROW, ROW]),
    "mse_loss": (lambda x, y: F.mse_loss(x, y), [ROW, ROW]),
    "assigned_slice": (assigned_slice, [IMAGE]),
    "assigned_index": (assigned_index, [IMAGE]),
    "attention": (F.scaled_dot_product_attention, [(2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6)]),
    "attention_causal": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.3),
        [(2, 5, 4), (2, 7, 4), (2, 7, 6)],
    ),
    "attention_masked": (
        lambda q, k, m: F.scaled_dot_product_attention(q, k, k, m),
        [(2, 3, 5, 4), (2, 3, 7, 4), (5, 7)],
    ),
    "attention_of_one_head": (lambda q, k: F.scaled_dot_product_attention(q, k, k), [(5, 4), (7, 4)]),
    "multi_head": (lambda x: F.softmax(x.mT @ x, -1).sum(1), [(2, 3, 5)]),
    "flip": (lambda x: F.max_pool2d(x, 1).flip((1, -1)), [IMAGE]),
    "roll": (lambda x: F.max_pool2d(x, 1).roll((2, -1), (1, 3)), [IMAGE]),
    "roll_all": (lambda x: x.roll(4), [ROW]),
    "argmax": (lambda x: (F.max_pool2d(x, 1).argmax(1), x.argmax(-1, keepdim=True), x.argmax()), [IMAGE]),
    "index": (lambda x: F.max_pool2d(x, 1)[:, [4, 0, -1]] * 2, [IMAGE]),
    "index_select": (lambda x: x.index_select(2, torch.tensor([6, 1, 1])), [IMAGE]),
    "pad_last_axis": (lambda x: F.pad(x, (2, 1)), [ROW]),
}

WITH_PARAMETERS = {
    "scale_of_channels": (lambda x, p: F.relu6(F.max_pool2d(x, 1)) * p, [IMAGE], (6, 1, 1)),
    "scale_of_batched_channels": (lambda x, p: F.max_pool2d(x, 1) * p, [IMAGE], (1, 6, 1, 1)),
    "scalar_parameter": (lambda x, p: x * p, [IMAGE], ()),
    "parameter_is_larger": (lambda x, p: x.mean((2, 3), keepdim=True) + p, [IMAGE], (2, 6, 7, 5)),
    "weight_in_out": (lambda x, p: x @ p, [ROW], (6, 4)),
    "weight_in_out_of_many": (lambda x, p: x @ p, [(2, 3, 6)], (6, 4)),
    "matrix_from_the_left": (lambda x, p: p @ x, [(6, 3)], (4, 6)),
    "functional_linear": (lambda x, p: torch.addmm(x.new_ones(4), x, p.t()), [ROW], (4, 6)),
    "functional_conv": (lambda x, p: F.conv2d(x, p / 2, padding=1), [IMAGE], (4, 6, 3, 3)),
    "standardised_weight": (lambda x, p: F.conv2d(x, p - p.mean((1, 2, 3), keepdim=True)), [IMAGE], (4, 6, 3, 3)),
    "weight_norm": (lambda x, p: F.conv2d(x, torch._weight_norm(p, p[:, :1, :1, :1])), [IMAGE], (4, 6, 3, 3)),
    "embedding_of_constants": (lambda x, p: x @ F.embedding(torch.tensor([[3, 0], [1, 3]]), p), [(2, 3, 2)], (4, 6)),
    "class_token": (lambda x, p: torch.cat([p.expand(2, -1, -1), x], 1), [(2, 3, 6)], (1, 1, 6)),
    "parameter_alone": (lambda x, p: (x.sum(), p), [ROW], (2, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name):
    module, shape = LAYERS[name]
    check(he(module), 2 * normal(*shape))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name):
    function, shapes = FUNCTIONS[name]
    check(Function(function), *(normal(*shape, seed=k) for k, shape in enumerate(shapes)))


@pytest.mark.parametrize("name", WITH_PARAMETERS)
def test_parameter(name):
    function, shapes, parameter = WITH_PARAMETERS[name]
    module = Function(function, p=normal(*parameter, seed=9))
    check(module, *(normal(*shape, seed=k) for k, shape in enumerate(shapes)))


def test_the_usual_epsilon_of_rms_norm():
    """That of float32, as in PyTorch; small numbers show it."""
    module, x = nn.RMSNorm(6), 1e-4 * normal(*ROW)
    program = import_module(module, x, toolbox=toolbox())
    np.testing.assert_allclose(run(program, {"x": x.numpy()})["logits"], module(x).detach().numpy(), rtol=1e-5)


def test_indices_are_an_input():
    """Of int64 in PyTorch, int32 in a program."""
    module = nn.Sequential(nn.Embedding(9, 6), nn.Linear(6, 4))
    words = torch.tensor([[3, 8, 0], [1, 1, 5]])
    program = import_module(he(module), words, toolbox=toolbox())
    assert str(program.graph.inputs[0].type) == "i32[2,3]"
    found = run(program, {"input": words.numpy().astype(np.int32)})["logits"]
    np.testing.assert_allclose(found, module(words).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_padding_does_not_learn():
    """PyTorch's autograd leaves its row alone; other rows get what autograd gives them."""
    module = nn.Embedding(5, 3, padding_idx=2)
    words = torch.tensor([[3, 2, 0], [2, 3, 4]])
    program = import_module(module, words, toolbox=toolbox())
    seed = normal(2, 3, 3)
    (module(words) * seed).sum().backward()
    graph = program.graph
    weight, g = graph.states[0].value, graph.add_input("g", graph.outputs[0].type)
    graph.outputs = list(differentiate(graph, toolbox().ops, graph.outputs[0], g, [weight]).values())
    (found,) = Executor(graph, toolbox().ops).run({"input": words.numpy().astype(np.int32), "g": seed.numpy()}).values()
    np.testing.assert_allclose(found, module.weight.grad.numpy(), rtol=1e-6)
    assert not found[2].any() and found[3].any()


def test_padding_that_is_not_zero_is_refused():
    module = nn.Embedding.from_pretrained(torch.ones(4, 2), freeze=False, padding_idx=1)
    with pytest.raises(CompileError, match="padding_idx=1, a row that is not 0"):
        import_module(module, torch.tensor([[0, 1]]), toolbox=toolbox())
    frozen = nn.Embedding.from_pretrained(torch.ones(4, 2), padding_idx=1)
    assert import_module(frozen, torch.tensor([[0, 1]]), toolbox=toolbox()).graph.nodes[-1].op == "gather"


def test_a_mask_of_what_may_be_seen():
    seen = torch.tensor([[True, False, True], [True, True, True]])
    check(Function(lambda q, k: F.scaled_dot_product_attention(q, k, k, seen)), normal(2, 2, 4), normal(2, 3, 4))


def test_batch_norm_in_training():
    layers = [nn.Conv2d(6, 4, 3), nn.BatchNorm2d(4, momentum=0.3), nn.ReLU(), nn.BatchNorm2d(4)]
    program = check(he(nn.Sequential(*layers)), normal(*IMAGE), mode="train")
    buffers = [s.name for s in program.graph.states if s.role.value == "buffer"]
    assert buffers == ["1.running_mean", "1.running_var", "3.running_mean", "3.running_var"]


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(6)

    def forward(self, x):
        return self.norm(self.norm(x).relu())


def test_one_batch_norm_used_twice_in_training():
    """The second use reads what the first has written."""
    program = check(he(Twice()), normal(*IMAGE), mode="train")
    first, second = (n for n in program.graph.nodes if n.op == "batch_norm_train")
    assert second.inputs[3:] == first.outputs[3:]


def test_dropout_in_training():
    module = nn.Sequential(nn.Dropout(0.25), nn.Linear(6, 6), nn.Dropout(0.5)).train()
    program = import_module(module, normal(50, 6), toolbox=toolbox())
    counters = [s.name for s in program.graph.states if s.role.value == "counter"]
    assert counters == ["0.counter", "2.counter"]
    assert [n.attrs for n in program.graph.nodes if n.op == "dropout"] == [
        {"rate": 0.25, "seed": 0},
        {"rate": 0.5, "seed": 1},
    ]
    y = run(program, {"input": np.ones((50, 6), np.float32)})["logits"]
    assert 0.35 < (y == 0).mean() < 0.65


def test_half_precision_parameters():
    module = he(nn.Linear(6, 4)).to(torch.bfloat16)
    program = import_module(module, normal(*ROW).to(torch.bfloat16), toolbox=toolbox())
    assert {str(s.value.type) for s in program.graph.states} == {"bf16[4,6]", "bf16[4]"}
    assert str(program.graph.outputs[0].type) == "bf16[3,4]"
