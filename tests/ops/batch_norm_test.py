"""batch_norm follows PyTorch's BatchNorm2d, running statistics included."""

import numpy as np
import pytest
import torch

from gradlet.ir.graph import Graph
from gradlet.ir.op_def import Emit
from gradlet.ir.ops.batch_norm import BATCH_NORM, BATCH_NORM_TRAIN, BATCH_NORM_TRAIN_GRAD
from gradlet.ir.plugin import load
from gradlet.ir.tensor_type import f32


def layer(channels, eps, momentum):
    made = torch.nn.BatchNorm2d(channels, eps=eps, momentum=momentum, dtype=torch.float64)
    torch.nn.init.normal_(made.weight)
    torch.nn.init.normal_(made.bias)
    return made


def statistics(of):
    return [of.weight.detach().numpy(), of.bias.detach().numpy(), of.running_mean.numpy(), of.running_var.numpy()]


def test_three_training_steps_equal_torch():
    rng, attrs = np.random.default_rng(0), {"eps": 1e-3, "momentum": 0.3}
    reference = layer(3, **attrs)
    gamma, beta, running_mean, running_var = (a.copy() for a in statistics(reference))
    for _ in range(3):
        x = rng.normal(2.0, 3.0, size=(2, 4, 5, 3))
        x_torch = torch.tensor(x.transpose(0, 3, 1, 2).copy(), requires_grad=True)
        y_torch = reference(x_torch)
        g = rng.normal(size=x.shape)
        reference.zero_grad()
        y_torch.backward(torch.tensor(g.transpose(0, 3, 1, 2).copy()))

        results = BATCH_NORM_TRAIN.evaluate([x, gamma, beta, running_mean, running_var], attrs)
        y, mean, rstd, running_mean, running_var = results
        dx, dgamma, dbeta = BATCH_NORM_TRAIN_GRAD.evaluate([g, x, gamma, mean, rstd], {})
        np.testing.assert_allclose(y, y_torch.detach().numpy().transpose(0, 2, 3, 1), rtol=1e-9)
        np.testing.assert_allclose(running_mean, reference.running_mean.numpy(), rtol=1e-9)
        np.testing.assert_allclose(running_var, reference.running_var.numpy(), rtol=1e-9)
        np.testing.assert_allclose(dx, x_torch.grad.numpy().transpose(0, 2, 3, 1), rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(dgamma, reference.weight.grad.numpy(), rtol=1e-9)
        np.testing.assert_allclose(dbeta, reference.bias.grad.numpy(), rtol=1e-9)


def test_inference_equals_torch():
    reference = layer(3, 1e-3, 0.1).eval()
    reference.running_mean.normal_()
    reference.running_var.uniform_(0.5, 2)
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 3))
    expected = reference(torch.tensor(x.transpose(0, 3, 1, 2).copy())).detach().numpy().transpose(0, 2, 3, 1)
    (y,) = BATCH_NORM.evaluate([x, *statistics(reference)], {"eps": 1e-3})
    np.testing.assert_allclose(y, expected, rtol=1e-9)


def test_outside_of_training_it_reads_the_running_statistics():
    tools, graph = load(installed=False), Graph("inference")
    emit = Emit(tools.ops, graph)
    inputs = [graph.add_input("x", f32(2, 3)), *(graph.add_input(n, f32(3)) for n in ("gamma", "beta", "mean", "var"))]
    node = emit.node("batch_norm_train", *inputs, eps=0.5, momentum=0.1)
    replacements = BATCH_NORM_TRAIN.inference(emit, node)
    assert replacements[0].producer.op == "batch_norm"
    assert (replacements[0].producer.inputs, replacements[0].producer.attrs) == (inputs, {"eps": 0.5})
    assert replacements[1:] == [None] * 4


def test_refuses_a_batch_without_variance():
    with pytest.raises(ValueError, match="one value a channel"):
        BATCH_NORM_TRAIN.infer([f32(1, 1, 1, 3), *[f32(3)] * 4], {"eps": 1e-5, "momentum": 0.1})


def test_refuses_statistics_of_another_width():
    with pytest.raises(ValueError, match=r"f32\[4\] does not match the 3 channels of f32\[2,3\]"):
        BATCH_NORM.infer([f32(2, 3), f32(3), f32(3), f32(4), f32(3)], {"eps": 1e-5})


def test_refuses_a_missing_eps():
    with pytest.raises(ValueError, match="eps is None, not a number of at least 0"):
        BATCH_NORM.infer([f32(2, 3), *[f32(3)] * 4], {})
