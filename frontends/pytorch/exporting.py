"""Captures a module with torch.export, and explains to its author why that failed."""

from __future__ import annotations

import contextlib
import logging
import os
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram

from gradlet.ir.errors import CompileError

# A tensor or array, a sequence of them, or a dict of keyword arguments.
Sample = Any


def export(module: torch.nn.Module, sample: Sample, batch: int | None = None) -> ExportedProgram:
    """The forward pass on inputs like `sample`, whose first axis is resized to `batch`."""
    args, kwargs = _arguments(sample)
    if batch is not None:
        args, kwargs = _resized(args, kwargs, batch)
    with quietly():
        try:
            return torch.export.export(module, args, kwargs)
        except Exception as error:
            raise _explained(error, module, args, kwargs) from error


# Operators that PyTorch itself can express by simpler ones.
_REWRITTEN = {
    "aten.addcdiv.default",
    "aten.addcmul.default",
    "aten.broadcast_tensors.default",
    "aten.dot.default",
    "aten.einsum.default",
    "aten.mse_loss.default",
    "aten.outer.default",
    "aten.tile.default",
}


def decomposed(exported: ExportedProgram) -> ExportedProgram:
    """Without in-place operators; convolutions, linear layers, pooling and activations stay whole."""
    with quietly():
        try:
            return exported.run_decompositions(_rewriting(exported))
        except Exception as error:
            what = f"torch.export cannot rewrite the module without in-place operators: {first_line(error)}"
            hint = "look for modules that are registered under two names, and for buffers that forward changes"
            raise CompileError("GL106", what, user_frame(error), hint) from error


def _rewriting(exported: ExportedProgram) -> dict[Any, Any]:
    """How to rewrite what the program has of these operators."""
    if not _REWRITTEN & {str(node.target) for node in exported.graph.nodes}:
        return {}
    known = torch.export.default_decompositions()
    return {op: rule for op, rule in known.items() if str(op) in _REWRITTEN}


def _arguments(sample: Sample) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(sample, Mapping):
        return (), {name: _tensor(value) for name, value in sample.items()}
    samples = tuple(sample) if isinstance(sample, (tuple, list)) else (sample,)
    if all(value is None for value in samples):
        raise CompileError("GL112", "there is no sample input", hint="give one tensor for each argument of forward")
    return tuple(_tensor(value) for value in samples), {}


def _tensor(value: Any) -> Any:
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


def _resized(args: Sequence[Any], kwargs: Mapping[str, Any], batch: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Repeats or drops samples in every tensor whose first axis is the batch."""
    tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor) and value.ndim]
    size = tensors[0].shape[0] if tensors else 0

    def resized(value: Any) -> Any:
        is_batched = isinstance(value, torch.Tensor) and value.ndim and value.shape[0] == size
        return value[torch.arange(batch) % size] if is_batched else value

    return tuple(map(resized, args)), {name: resized(value) for name, value in kwargs.items()}


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keeps torch's warnings about itself, and its own account of errors, from the user's terminal."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _explained(
    error: Exception, module: torch.nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> CompileError:
    where = user_frame(error)
    said = f"{type(error).__name__}: {first_line(error)}"
    if (failure := _eager_failure(module, args, kwargs)) is not None:
        what = f"the module fails on its sample input: {type(failure).__name__}: {first_line(failure)}"
        return CompileError("GL112", what, user_frame(failure) or where, "give inputs that forward accepts")
    if _depends_on_data(error):
        what = f"the flow of control depends on the values of a tensor: {said}"
        hint = "take the decision out of forward, or write it as arithmetic"
        return CompileError("GL106", what, where, hint)
    return CompileError("GL106", f"torch.export cannot capture the module: {said}", where, "see torch.export's advice")


def _eager_failure(module: torch.nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Exception | None:
    """What happens when the module just runs, on a copy because running may change its buffers."""
    import copy

    try:
        with torch.no_grad():
            copy.deepcopy(module)(*args, **kwargs)
    except Exception as failure:
        return failure
    return None


def _depends_on_data(error: Exception) -> bool:
    names = {kind.__name__ for kind in type(error).__mro__}
    return "GuardOnDataDependentSymNode" in names or "data-dependent" in str(error).lower()


def first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")


def user_frame(error: BaseException, library: str = os.path.dirname(torch.__file__)) -> str:
    """`model.py:12 in forward`: the innermost place in the user's own code, if the error passed there."""
    ours = os.path.dirname(__file__)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_users(f.filename, library, ours)]
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""


def _is_users(path: str, *libraries: str) -> bool:
    return not path.startswith((*libraries, "<"))
