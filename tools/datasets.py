"""Data to run and train on: .npz files, functions that return arrays, and the built-in digits."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Value
from gradlet.tools.paths import user_path

# What the arrays of the two splits may be called.
_IMAGES = ("images", "x", "inputs", "data")
_LABELS = ("labels", "y", "targets", "label", "target")


@dataclass(frozen=True)
class Split:
    """Samples: `inputs[N, ...]` and `targets[N]` (classes) or `targets[N, ...]`."""

    inputs: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def has_classes(self) -> bool:
        return self.targets.ndim == 1 and self.targets.dtype.kind in "iu"


@dataclass(frozen=True)
class Dataset:
    """Two splits; without a `test` split in the source the last fifth of the samples is held back."""

    train: Split
    test: Split


def load_dataset(source: str) -> Dataset:
    """Reads `digits`, `digits:TURNS` (quarter turns), `FILE.npz`, or `FILE.py:FUNCTION` returning a dict of arrays.

    Raises:
        CompileError: GL410 with what is missing.
    """
    if source.split(":")[0] == "digits":
        return _digits(source)
    arrays = _call(source) if ".py:" in source else _read_npz(user_path(source))
    return _split(arrays, source)


def _digits(source: str) -> Dataset:
    from gradlet.examples.digits.data import load_digits

    turns = source.partition(":")[2] or "0"
    if not turns.lstrip("-").isdigit():
        raise CompileError("GL410", f"{source}: {turns!r} is no number of quarter turns", hint="write digits:1")
    try:
        d = load_digits(int(turns))
    except ImportError as error:
        raise CompileError("GL410", f"no digits: {error}", hint="pip install scikit-learn") from error
    return Dataset(Split(d.train_images, d.train_labels), Split(d.test_images, d.test_labels))


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, AttributeError, KeyError) as error:
        hint = "a data set is an .npz file, path.py:function, or digits"
        raise CompileError("GL410", f"{path} is no data set: {error}", hint=hint) from error
    except Exception as error:  # zipfile and zlib have errors of their own
        raise CompileError("GL410", f"{path} is damaged: {error}", hint="restore the file") from error


def _call(source: str) -> Mapping[str, np.ndarray]:
    path, _, function = source.rpartition(":")
    file = user_path(path)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if not file.is_file() or spec is None or spec.loader is None:
        raise CompileError("GL410", f"{file} is no Python file", hint="write path.py:function")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
        arrays = getattr(module, function)()
    except Exception as error:  # the user's code may do anything
        raise CompileError("GL410", f"{source} fails: {type(error).__name__}: {error}", hint="run it alone") from error
    finally:
        sys.path.remove(str(file.parent))
    if not isinstance(arrays, Mapping):
        raise CompileError("GL410", f"{source} returns {type(arrays).__name__}", hint="return a dict of arrays")
    return {name: np.asarray(array) for name, array in arrays.items()}


def _split(arrays: Mapping[str, np.ndarray], source: str) -> Dataset:
    train = _pick(arrays, ("train_", ""), source)
    if any(name.startswith("test_") for name in arrays):
        return Dataset(train, _pick(arrays, ("test_",), source))
    held = max(1, len(train) // 5)
    return Dataset(
        Split(train.inputs[:-held], train.targets[:-held]), Split(train.inputs[-held:], train.targets[-held:])
    )


def _pick(arrays: Mapping[str, np.ndarray], prefixes: tuple[str, ...], source: str) -> Split:
    images = _first(arrays, prefixes, _IMAGES, source)
    labels = _first(arrays, prefixes, _LABELS, source)
    if images.ndim == 0 or len(images) != len(labels) or not len(images):
        what = f"{source}: {len(labels)} labels for {len(images) if images.ndim else 0} samples"
        raise CompileError("GL410", what, hint="the first axis counts the samples")
    return Split(images, labels)


def _first(
    arrays: Mapping[str, np.ndarray], prefixes: tuple[str, ...], names: tuple[str, ...], source: str
) -> np.ndarray:
    for name in [prefix + name for prefix in prefixes for name in names]:
        if name in arrays:
            return arrays[name]
    wanted = prefixes[-1] + names[0]
    hint = f"call the array {wanted} (or {', '.join(names[1:])}); the source has: {', '.join(arrays)}"
    raise CompileError("GL410", f"{source} has no {wanted}", hint=hint)


def fit(split: Split, graph: Graph) -> Split:
    """The samples in the layout and element types of the inputs of a graph.

    Raises:
        CompileError: GL411 if the shapes do not agree.
    """
    inputs = [v for v in graph.inputs if v.type.shape and v.name not in ("label", "target")]
    targets = [v for v in graph.inputs if v.name in ("label", "target")]
    if len(inputs) != 1:
        names = ", ".join(map(str, inputs))
        raise CompileError("GL411", f"{graph.name} has the inputs {names}; a data set feeds one", hint="use the API")
    fitted = _as_input(split.inputs, inputs[0])
    return Split(fitted, _as_target(split.targets, targets[0]) if targets else split.targets)


def _as_input(samples: np.ndarray, value: Value) -> np.ndarray:
    shape = value.type.shape[1:]
    scaled = samples / np.float32(255) if samples.dtype == np.uint8 and value.type.dtype.is_float else samples
    found = laid_out(scaled, shape)
    if found is not None:
        return np.ascontiguousarray(found, value.type.dtype.numpy)
    what = f"samples of shape {list(samples.shape[1:])} do not fit {value}, which wants {list(shape)}"
    raise CompileError("GL411", what, hint="resize the images, or compile the model for their size")


def laid_out(samples: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """The samples with this shape each: as they are, with an axis for one channel, or with the channels put last."""
    if samples.shape[1:] == shape:
        return samples
    if (*samples.shape[1:], 1) == shape:
        return samples[..., None]
    moved = np.moveaxis(samples, 1, -1) if samples.ndim == 4 else samples
    return moved if moved.shape[1:] == shape else None


def _as_target(targets: np.ndarray, value: Value) -> np.ndarray:
    found = laid_out(targets, value.type.shape[1:])
    if found is None:
        what = f"targets of shape {list(targets.shape[1:])} do not fit {value}: {value.type}"
        raise CompileError("GL411", what, hint="one target for each sample")
    return np.ascontiguousarray(found, value.type.dtype.numpy)


def batches(count: int, size: int, rng: np.random.Generator | None = None) -> Iterator[np.ndarray]:
    """Indices of whole batches, shuffled if a generator is given; what is left over is dropped."""
    order = rng.permutation(count) if rng else np.arange(count)
    for start in range(0, count - size + 1, size):
        yield order[start : start + size]
