"""The parameters, buffers and constants of an exported program."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Node

from gradlet.frontends.pytorch.tensor import Parameter
from gradlet.ir.graph import Role


def parameters(exported: ExportedProgram) -> dict[Node, Parameter]:
    """What each placeholder of the graph stands for, unless it is an input; a shared tensor has its first name."""
    found: dict[Node, Parameter] = {}
    shared: dict[tuple[Any, ...], Parameter] = {}
    nodes = {node.name: node for node in exported.graph.nodes}
    for spec in exported.graph_signature.input_specs:
        if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR):
            tensor = _content(exported, spec.target)
            key = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
            if key not in shared:
                shared[key] = _parameter(spec.target, tensor, spec.kind)
            found[nodes[spec.arg.name]] = shared[key]
    return found


def _content(exported: ExportedProgram, target: str) -> torch.Tensor:
    return exported.state_dict[target] if target in exported.state_dict else exported.constants[target]


def _parameter(name: str, tensor: torch.Tensor, kind: InputKind) -> Parameter:
    trainable = kind is InputKind.PARAMETER and tensor.requires_grad
    return Parameter(name, _array(tensor), Role.PARAMETER, trainable)


def _array(tensor: torch.Tensor) -> np.ndarray:
    """A copy: the user's module may go on learning."""
    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype is torch.bfloat16:
        import ml_dtypes

        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16).copy()
    return tensor.numpy().copy()
