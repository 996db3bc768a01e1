"""What PyTorch's autograd and optimizers make of a module: the outside witness of a training program."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from gradlet.ir.graph import Graph, Role

LOSSES = {"softmax_cross_entropy": functional.cross_entropy, "mse": functional.mse_loss}
# The states of torch's optimizers under the names they have in a program.
MOMENTS = {"momentum_buffer": "velocity", "exp_avg": "mean", "exp_avg_sq": "square"}

Masks = Mapping[str, np.ndarray]


@dataclass
class Training:
    """What happened, in the user's layout.

    Attributes:
        losses: Of each step.
        predictions: Of each step, before its update.
        states: Parameters and buffers after the last step.
        moments: States of the optimizer by name, e.g. `fc.weight.velocity`, in the shape of the parameter.
        gradients: Of the last step; where gradients are accumulated, their mean so far.
    """

    losses: list[float] = field(default_factory=list)
    predictions: list[np.ndarray] = field(default_factory=list)
    states: dict[str, np.ndarray] = field(default_factory=dict)
    moments: dict[str, np.ndarray] = field(default_factory=dict)
    gradients: dict[str, np.ndarray] = field(default_factory=dict)


def train(
    module: nn.Module,
    steps: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    loss: str = "softmax_cross_entropy",
    update: str = "sgd",
    lr: float = 0.1,
    options: Mapping[str, Any] | None = None,
    learn: Masks | None = None,
    dtype: torch.dtype = torch.float64,
    prediction: int = 0,
) -> Training:
    """Trains a copy of the module, in the mode it is in.

    Args:
        module: Is not changed.
        steps: (inputs, target) of each step.
        loss: A name of Gradlet.
        update: Name of an update rule of Gradlet.
        lr: Learning rate.
        options: Of the update rule, as Gradlet has them; `every` accumulates gradients.
        learn: Parameter -> which of its elements learn; the others are frozen. None: all that require a gradient.
        dtype: Of the whole computation.
        prediction: Which output the loss is about.
    """
    module = copy.deepcopy(module).to(dtype)
    masks = _masks(module, learn)
    options = dict(options or {})
    every = options.pop("every", 1)
    optimizer = _optimizer(update, [p for n, p in module.named_parameters() if n in masks], lr, options)
    result = Training()
    for index, (x, target) in enumerate(steps):
        if index % every == 0:
            optimizer.zero_grad()
        predicted = _prediction(module(torch.from_numpy(x).to(dtype)), prediction)
        value = LOSSES[loss](predicted, _target(target, dtype))
        (value / every).backward()
        if (index + 1) % every == 0:
            _step(optimizer, module, masks)
        result.losses.append(value.item())
        result.predictions.append(predicted.detach().numpy())
    _collect(result, module, optimizer, masks)
    return result


def masks_of(graph: Graph) -> dict[str, np.ndarray]:
    """What learns in a graph, as `train` wants it."""
    masks = {}
    for state in graph.states:
        if state.trainable and state.source:
            mask = np.zeros(state.value.type.shape, bool)
            mask[state.region.index(mask.ndim) if state.region else ...] = True
            masks[state.source.name] = replace(state.source, rescales=()).to_user(mask)
    return masks


def expected_states(graph: Graph, training: Training) -> dict[str, np.ndarray]:
    """Every state that a float program has after the same steps, but for counters, in the IR's layout."""
    expected = {}
    for state in graph.states:
        if state.source is None:
            continue
        shape, part = state.value.type.shape, ...
        if state.region:
            part = state.region.index(len(shape))
        expected[state.name] = state.source.to_ir(training.states[state.source.name], shape)
        for name, moment in _of(state.source.name, training).items():
            expected[f"{state.name}.{name}"] = state.source.to_ir(moment, shape)[part]
    names = {state.name for state in graph.states if state.role is not Role.COUNTER}
    return {name: array for name, array in expected.items() if name in names}


def _of(parameter: str, training: Training) -> dict[str, np.ndarray]:
    moments = {name: training.moments.get(f"{parameter}.{name}") for name in MOMENTS.values()}
    moments["accumulator"] = training.gradients.get(parameter)
    return {name: array for name, array in moments.items() if array is not None}


def _masks(module: nn.Module, learn: Masks | None) -> dict[str, torch.Tensor]:
    parameters = dict(module.named_parameters())
    for name, parameter in parameters.items():
        parameter.requires_grad_(parameter.requires_grad if learn is None else name in learn)
    learning = {n: p for n, p in parameters.items() if p.requires_grad}
    if learn is None:
        return {name: torch.ones(p.shape, dtype=torch.bool) for name, p in learning.items()}
    assert set(learn) <= set(parameters), sorted(set(learn) - set(parameters))
    return {name: torch.from_numpy(np.array(learn[name])).expand(p.shape) for name, p in learning.items()}


def _optimizer(
    update: str, parameters: list[nn.Parameter], lr: float, options: dict[str, Any]
) -> torch.optim.Optimizer:
    if update == "adam":
        betas = (options.pop("beta1", 0.9), options.pop("beta2", 0.999))
        make = torch.optim.AdamW if options.pop("decoupled", False) else torch.optim.Adam
        return make(parameters, lr=lr, betas=betas, weight_decay=options.pop("weight_decay", 0.0), **options)
    if update == "momentum":
        options.setdefault("momentum", 0.9)
    return torch.optim.SGD(parameters, lr=lr, **options)


def _prediction(outputs: Any, index: int) -> torch.Tensor:
    if isinstance(outputs, torch.Tensor):
        return outputs
    return list(outputs.values() if isinstance(outputs, dict) else outputs)[index]


def _target(target: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    tensor = torch.from_numpy(target)
    return tensor.to(dtype) if tensor.is_floating_point() else tensor.long()


def _step(optimizer: torch.optim.Optimizer, module: nn.Module, masks: Mapping[str, torch.Tensor]) -> None:
    """All update rules work element by element: what does not learn is put back."""
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    optimizer.step()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name in masks:
                parameter.copy_(torch.where(masks[name], parameter, before[name]))


def _collect(
    result: Training, module: nn.Module, optimizer: torch.optim.Optimizer, masks: Mapping[str, torch.Tensor]
) -> None:
    result.states = {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}
    for name, parameter in module.named_parameters():
        if name in masks and parameter.grad is not None:
            result.gradients[name] = parameter.grad.numpy()
            for key, tensor in optimizer.state[parameter].items():
                if key in MOMENTS and tensor is not None:
                    result.moments[f"{name}.{MOMENTS[key]}"] = tensor.numpy()
