"""Samples that a float model is quantised with: from files, arrays, or anything that yields them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Value
from gradlet.tools.datasets import Dataset, Split, array_of, call, load_dataset, read_npz, together
from gradlet.tools.image_folder import images_in
from gradlet.tools.paths import user_path
from gradlet.tools.preprocessing import Preprocessing, fit

Feed = dict[str, np.ndarray]


@dataclass(frozen=True)
class Calibration:
    """Samples as a graph takes them.

    Attributes:
        feeds: Batches, every input of the graph by name.
        labels: Class of each sample, where all samples have one.
    """

    feeds: Sequence[Feed]
    labels: np.ndarray | None = None


def load_calibration(
    given: Any, graph: Graph, most: int, seed: int = 0, preprocessing: Preprocessing | None = None
) -> Calibration:
    """Batches of samples for the inputs of a forward graph.

    Args:
        given: `FILE.npz`, `FILE.npy`, a folder of images, `path.py:function`, `digits`; an array `[samples, ...]`; a
            mapping of such arrays, or a `Dataset`; an iterable of samples, batches, or pairs of them and labels.
            Of data in two splits those to train on are taken.
        most: Samples that are taken at most, in an order drawn with `seed` (the first ones of an iterable); 0: all.
        preprocessing: Of pixels.

    Raises:
        CompileError: GL430 if there are none, or they are no numbers; GL410 and GL411 as for any data set.
    """
    inputs = [v for v in graph.inputs if v.type.shape]
    if isinstance(given, Mapping) and set(given) == {v.name for v in inputs}:
        return _by_name(given, inputs, most, seed)
    samples, labels = _read(given, inputs[0], most)
    if not len(samples):
        raise CompileError("GL430", "no samples to calibrate with", hint="give at least one, better a hundred")
    if samples.dtype != object and samples.dtype.kind not in "fiub":
        what = f"calibration data of type {samples.dtype}"
        raise CompileError("GL430", what, hint="give numbers: float32 values, or uint8 pixels")
    chosen = _chosen(len(samples), most, seed)
    targets = np.zeros(len(samples), np.int32) if labels is None else labels
    fitted = fit(Split(samples, targets)[chosen], graph, preprocessing or Preprocessing())
    feeds = [{inputs[0].name: batch} for batch in _batches(fitted.inputs, inputs[0])]
    classes = labels is not None and labels.ndim == 1 and labels.dtype.kind in "iu"
    return Calibration(feeds, fitted.targets if classes else None)


def _by_name(given: Mapping[str, Any], inputs: Sequence[Value], most: int, seed: int) -> Calibration:
    """For a model of several inputs: an array for each."""
    arrays = {v.name: np.asarray(given[v.name]) for v in inputs}
    for value in inputs:
        array = arrays[value.name]
        if array.shape[1:] != value.type.shape[1:] or array.dtype.kind not in "fiub" or not len(array):
            what = f"calibration data {array.dtype}{list(array.shape)} for {value}: {value.type}"
            raise CompileError("GL430", what, hint="give numbers [samples, ...] in the layout of the input")
    count = min(map(len, arrays.values()))
    chosen = _chosen(count, most, seed)
    columns = [_batches(arrays[v.name][chosen].astype(v.type.dtype.numpy), v) for v in inputs]
    names = [v.name for v in inputs]
    return Calibration([dict(zip(names, batches, strict=True)) for batches in zip(*columns, strict=True)])


def _chosen(count: int, most: int, seed: int) -> np.ndarray:
    order = np.random.default_rng(seed).permutation(count)
    return order[:most] if most else order


def _batches(samples: np.ndarray, value: Value) -> list[np.ndarray]:
    """Whole batches; the last is filled up with the first samples."""
    size = value.type.shape[0]
    filled = np.concatenate([samples, np.resize(samples, (-len(samples) % size, *samples.shape[1:]))])
    return list(filled.reshape(-1, size, *samples.shape[1:]))


def _read(given: Any, value: Value, most: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Samples and, if there are any, labels."""
    if isinstance(given, (str, Path)):
        return _from_source(str(given), value, most)
    if isinstance(given, Dataset):
        return given.train.inputs, given.train.targets
    if isinstance(given, Mapping):
        return _from_arrays({name: np.asarray(array) for name, array in given.items()}, "the calibration data")
    if hasattr(given, "shape"):  # numpy's, or PyTorch's
        return np.asarray(given), None
    if isinstance(given, Iterable):
        return _from_iterable(given, value, most)
    what = f"calibration data are {type(given).__name__}"
    raise CompileError("GL430", what, hint="give a file, an array, or an iterable of samples")


def _from_source(source: str, value: Value, most: int) -> tuple[np.ndarray, np.ndarray | None]:
    if ".py:" in source:
        return _read(call(source), value, most)
    path = user_path(source)
    if source.split(":")[0] == "digits" and not path.exists():
        return _read(load_dataset(source), value, most)
    if not path.exists():
        raise CompileError("GL430", f"there are no calibration data {path}", hint="check the path")
    if path.is_dir():
        files = images_in(path)
        if any(p.parent != path for p in files):
            return _read(load_dataset(source), value, most)
        return together(files), None
    if path.suffix == ".npy":
        return _read_npy(path), None
    return _from_arrays(read_npz(path), source)


def _read_npy(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CompileError("GL430", f"{path} is no array: {error}", hint="write it with numpy.save") from error


def _from_arrays(arrays: Mapping[str, np.ndarray], source: str) -> tuple[np.ndarray, np.ndarray | None]:
    splits = ("train", "") if any("train" in name for name in arrays) else ("",)
    labels = array_of(arrays, splits, "labels")
    images = array_of(arrays, splits, "images")
    if images is None and len(arrays) == 1:
        images = next(iter(arrays.values()))
    if images is None or not images.ndim:
        hint = f"call the array images; the source has: {', '.join(arrays)}"
        raise CompileError("GL430", f"{source} has no samples", hint=hint)
    if labels is not None and len(labels) != len(images):
        what = f"{source}: {len(labels)} labels for {len(images)} samples"
        raise CompileError("GL430", what, hint="the first axis counts the samples")
    return images, labels


def _from_iterable(given: Iterable[Any], value: Value, most: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Items are samples, or batches, which have an axis more; alone, or in pairs with labels."""
    samples: list[Any] = []
    labels: list[Any] = []
    for item in given:
        sample, label = item if isinstance(item, (tuple, list)) and len(item) == 2 else (item, None)
        found = user_path(sample) if isinstance(sample, (str, Path)) else np.asarray(sample)
        is_batch = isinstance(found, np.ndarray) and found.ndim == len(value.type.shape)
        samples += [*found] if isinstance(found, np.ndarray) and is_batch else [found]
        if label is not None:
            labels += list(np.asarray(label)) if is_batch else [np.asarray(label)]
        if most and len(samples) >= most:
            break
    kept = list(islice(samples, most or None))
    return together(kept) if kept else np.empty(0), np.stack(labels)[: len(kept)] if len(labels) >= len(
        kept
    ) > 0 else None
