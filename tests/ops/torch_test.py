"""Meaning and gradient of every op that PyTorch has, against PyTorch's autograd."""

import importlib

import numpy as np
import pytest

from gradlet.ir.op_def import OpDef
from gradlet.ir.plugin import Toolbox, builtin
from gradlet.tests.ops.cases import CASES, OPS, Case, doubled
from gradlet.tests.ops.gradients import DIFFERENTIABLE, differentiated, run, smooth

torch = pytest.importorskip("torch")
TORCH = importlib.import_module("gradlet.tests.ops.torch_table").TORCH

BUILTIN = {op.name for op in Toolbox([builtin()]).ops}
# What torch draws itself, with bits of its own.
NOT_IN_TORCH = {"dropout"}


def in_torch(case: Case, arguments: list[np.ndarray]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """(inputs, outputs), the differentiable inputs with `requires_grad`."""
    tensors = [torch.tensor(a) for a in arguments]
    for index in case.example.differentiable:
        tensors[index].requires_grad_()
    outputs = TORCH[case.op.name](case.example.attrs, *tensors)
    return tensors, [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)


@pytest.mark.parametrize("op", [op for op in OPS if op.name in BUILTIN and op.gradient], ids=lambda op: op.name)
def test_what_torch_has_is_in_the_table(op: OpDef):
    """An op that `gradlet new_op` wrote is not yet what its name says, and passes."""
    theirs = getattr(torch.nn.functional, op.name, None) or getattr(torch, op.name, None)
    if op.name in TORCH or op.name in NOT_IN_TORCH or not theirs:
        return
    for case in (c for c in CASES if c.op is op):
        arguments = doubled(case.arguments())
        (ours, *_), output = op.evaluate(arguments, case.example.attrs), theirs(*map(torch.tensor, arguments))
        assert not np.allclose(ours, output.numpy()), f"add {op.name} to tests/ops/torch_table.py"


def test_the_table_covers_what_learns():
    assert {"conv2d", "depthwise_conv2d", "dense", "matmul", "batch_norm_train", "softmax_cross_entropy"} <= set(TORCH)


@pytest.mark.parametrize("case", [c for c in CASES if c.op.name in TORCH and c.example.differentiable], ids=str)
def test_meaning_is_that_of_torch(case: Case):
    arguments = smooth(case)
    _, outputs = in_torch(case, arguments)
    results = case.op.evaluate(arguments, case.example.attrs)
    for result, output in zip(results, outputs, strict=False):
        np.testing.assert_allclose(result, output.detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", [c for c in DIFFERENTIABLE if c.op.name in TORCH], ids=str)
def test_gradient_is_that_of_autograd(case: Case):
    arguments = smooth(case)
    tensors, outputs = in_torch(case, arguments)
    for number, output in enumerate(outputs):
        graph, names = differentiated(case, number)
        seed = np.random.default_rng(2).normal(size=tuple(output.shape))
        wanted = [tensors[i] for i in names]
        expected = torch.autograd.grad(output, wanted, torch.tensor(seed), retain_graph=True)
        found = run(graph, arguments, seed)
        for name, gradient in zip(names.values(), expected, strict=True):
            np.testing.assert_allclose(found[name], gradient.numpy(), rtol=1e-8, atol=1e-10)


def test_max_shares_among_ties_like_amax():
    x = torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], dtype=torch.float64, requires_grad=True)
    torch.amax(x, 1).sum().backward()
    (op,) = (op for op in OPS if op.name == "max_grad")
    data = x.detach().numpy()
    (found,) = op.evaluate([np.ones(2), data, data.max(axis=1)], {"axis": (1,)})
    assert x.grad is not None
    np.testing.assert_allclose(found, x.grad.numpy())
