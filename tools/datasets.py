"""Data to run and train on: .npz files, folders of images, functions that return samples, and the built-in digits."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.tools.image_folder import read_folder
from gradlet.tools.paths import user_path

# What the arrays of the two splits may be called: `images`, `train_images` or `images_train`.
_NAMES = {
    "images": ("images", "x", "inputs", "data"),
    "labels": ("labels", "y", "targets", "label", "target"),
}
_KINDS = "a data set is an .npz file, a folder of images, path.py:function, or digits"


@dataclass(frozen=True)
class Split:
    """Samples.

    Attributes:
        inputs: `[N, ...]`, or N objects: files of images, or `uint8[H, W]` or `uint8[H, W, 1 or 3]` of any size.
        targets: `[N]`, classes, or `[N, ...]`.
    """

    inputs: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, chosen: np.ndarray) -> Split:
        return Split(self.inputs[chosen], self.targets[chosen])

    @property
    def has_classes(self) -> bool:
        return self.targets.ndim == 1 and self.targets.dtype.kind in "iu"


@dataclass(frozen=True)
class Dataset:
    """Two splits, and the names of the classes where the source has them."""

    train: Split
    test: Split
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Holdout:
    """How a source without a test split is divided: the same samples of every class are held back for the same seed."""

    share: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise CompileError("GL212", f"a test share of {self.share}", hint="give a number between 0 and 1")

    def divide(self, whole: Split) -> Dataset:
        rng = np.random.default_rng(self.seed)
        order = rng.permutation(len(whole))
        groups = [order]
        if whole.has_classes:
            groups = [order[whole.targets[order] == label] for label in np.unique(whole.targets)]
        held = np.concatenate([group[: round(self.share * len(group))] for group in groups])
        held = held if len(held) else order[:1]
        kept = np.setdiff1d(order, held)
        return Dataset(whole[kept], whole[np.sort(held)])


def load_dataset(source: str, holdout: Holdout | None = None) -> Dataset:
    """Reads `FILE.npz`, a folder of images, `FILE.py:FUNCTION`, `digits` or `digits:TURNS` (quarter turns).

    Raises:
        CompileError: GL410 with what is missing.
    """
    if source.split(":")[0] == "digits":
        return _digits(source)
    if ".py:" in source:
        return as_dataset(call(source), source, holdout)
    path = user_path(source)
    if path.is_dir():
        folder = read_folder(path)
        train = Split(folder.train.files, folder.train.labels)
        if folder.test is None:
            divided = (holdout or Holdout()).divide(train)
            return Dataset(divided.train, divided.test, folder.classes)
        return Dataset(train, Split(folder.test.files, folder.test.labels), folder.classes)
    return as_dataset(read_npz(path), source, holdout)


def as_dataset(given: Any, source: str = "the data set", holdout: Holdout | None = None) -> Dataset:
    """A mapping of arrays, an iterable of pairs (sample, target), or a mapping of `train` and `test` to such iterables.

    Raises:
        CompileError: GL410 with what is missing.
    """
    if isinstance(given, Dataset):
        return given
    if not isinstance(given, Mapping):
        return (holdout or Holdout()).divide(_pairs(given, source))
    if set(given) == {"train", "test"}:
        return Dataset(_pairs(given["train"], f"{source}, train"), _pairs(given["test"], f"{source}, test"))
    arrays = {name: np.asarray(array) for name, array in given.items()}
    classes = tuple(map(str, arrays["classes"])) if "classes" in arrays and arrays["classes"].ndim == 1 else ()
    train = _pick(arrays, ("train", ""), source)
    if any(name.startswith("test_") or name.endswith("_test") for name in arrays):
        return Dataset(train, _pick(arrays, ("test",), source), classes)
    divided = (holdout or Holdout()).divide(train)
    return Dataset(divided.train, divided.test, classes)


def in_order(data: Dataset, names: Sequence[str]) -> Dataset:
    """With the numbers that a model gives to classes of these names; as it is where it does not know them all."""
    known = {name: number for number, name in enumerate(names)}
    if not data.classes or len(known) < len(names) or not known.keys() >= set(data.classes):
        return data
    numbers = np.array([known[name] for name in data.classes])
    train, test = (_numbered(split, numbers) for split in (data.train, data.test))
    return data if train is None or test is None else Dataset(train, test, tuple(names))


def _numbered(split: Split, numbers: np.ndarray) -> Split | None:
    """None for targets that are no classes with a name."""
    if not split.has_classes or not all(0 <= t < len(numbers) for t in np.unique(split.targets)):
        return None
    return Split(split.inputs, numbers[split.targets].astype(split.targets.dtype))


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


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file; raises GL410."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, AttributeError, KeyError) as error:
        raise CompileError("GL410", f"{path} is no data set: {error}", hint=_KINDS) from error
    except Exception as error:  # zipfile and zlib have errors of their own
        raise CompileError("GL410", f"{path} is damaged: {error}", hint="restore the file") from error


def call(source: str) -> Any:
    """What the user's function `path.py:function` returns, an iterable as a list; raises GL410."""
    path, _, function = source.rpartition(":")
    file = user_path(path)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if not file.is_file() or spec is None or spec.loader is None:
        raise CompileError("GL410", f"{file} is no Python file", hint="write path.py:function")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
        found = getattr(module, function)()
        # A generator runs the user's code when it is read: here, where its errors are told.
        return found if isinstance(found, (Mapping, Dataset)) or not isinstance(found, Iterable) else list(found)
    except Exception as error:  # the user's code may do anything
        raise CompileError("GL410", f"{source} fails: {type(error).__name__}: {error}", hint="run it alone") from error
    finally:
        sys.path.remove(str(file.parent))


def _pairs(given: Any, source: str) -> Split:
    """The samples and the targets of an iterable of pairs; samples may be arrays, pictures or files of images."""
    if not isinstance(given, Iterable):
        hint = "return a dict of arrays, or pairs (sample, target)"
        raise CompileError("GL410", f"{source} returns {type(given).__name__}", hint=hint)
    samples, targets = [], []
    for index, pair in enumerate(given):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            what = f"{source}: item {index} is {type(pair).__name__}, not a pair"
            raise CompileError("GL410", what, hint="give pairs (sample, target)")
        sample, target = pair
        samples.append(user_path(sample) if isinstance(sample, (str, Path)) else np.asarray(sample))
        targets.append(np.asarray(target))
    if not samples or len({t.shape for t in targets}) != 1:
        what = f"{source} has {'targets of several shapes' if samples else 'no samples'}"
        raise CompileError("GL410", what, hint="give at least one pair, and every target in the same shape")
    return Split(together(samples), np.stack(targets))


def together(samples: list[Any]) -> np.ndarray:
    """One array where all have a shape, else one of objects."""
    if len({getattr(sample, "shape", None) for sample in samples}) == 1 and isinstance(samples[0], np.ndarray):
        return np.stack(samples)
    found = np.empty(len(samples), object)
    for index, sample in enumerate(samples):
        found[index] = sample
    return found


def _pick(arrays: Mapping[str, np.ndarray], splits: tuple[str, ...], source: str) -> Split:
    images = _wanted(arrays, splits, "images", source)
    labels = _wanted(arrays, splits, "labels", source)
    if 0 in (images.ndim, labels.ndim) or len(images) != len(labels) or not len(images):
        what = f"{source}: {len(labels) if labels.ndim else 0} labels for {len(images) if images.ndim else 0} samples"
        raise CompileError("GL410", what, hint="the first axis counts the samples")
    return Split(images, labels)


def _wanted(arrays: Mapping[str, np.ndarray], splits: tuple[str, ...], kind: str, source: str) -> np.ndarray:
    found = array_of(arrays, splits, kind)
    if found is None:
        wanted = f"{splits[-1]}_{kind}".removeprefix("_")
        hint = f"call the array {wanted} (or {', '.join(_NAMES[kind][1:])}); the source has: {', '.join(arrays)}"
        raise CompileError("GL410", f"{source} has no {wanted}", hint=hint)
    return found


def array_of(arrays: Mapping[str, np.ndarray], splits: tuple[str, ...], kind: str) -> np.ndarray | None:
    """The `images` or the `labels` of the first of these splits that has some."""
    for split in splits:
        for name in _NAMES[kind]:
            for key in (f"{split}_{name}", f"{name}_{split}") if split else (name,):
                if key in arrays:
                    return arrays[key]
    return None
