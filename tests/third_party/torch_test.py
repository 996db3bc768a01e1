"""torch computes gradients, and exports a graph."""

import torch


def test_gradient():
    x = torch.ones(3, requires_grad=True)
    (x * x).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]


def test_export():
    exported = torch.export.export(torch.nn.Linear(3, 2), (torch.ones(1, 3),))
    assert [node.op for node in exported.graph.nodes][-1] == "output"
