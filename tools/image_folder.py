"""A data set as a folder of images: a sub-folder for each class, perhaps below folders for the two splits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradlet.ir.errors import CompileError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_TRAIN = ("train", "training")
_TEST = ("test", "val", "valid", "validation")


@dataclass(frozen=True)
class Listing:
    """The files of a split, as objects, and their classes."""

    files: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Folder:
    """What a folder holds; `test` is None where it has one split only."""

    train: Listing
    test: Listing | None
    classes: tuple[str, ...]


def read_folder(path: Path) -> Folder:
    """Lists `path/CLASS/image.png`, or `path/train/CLASS/...` and `path/test/CLASS/...`; classes count in the order
    of their names.

    Raises:
        CompileError: GL410 if there are no two classes, or a class has no images.
    """
    below = {p.name: p for p in _folders(path)}
    train = next((below[name] for name in _TRAIN if name in below), None)
    test = next((below[name] for name in _TEST if name in below), None)
    root = train if train and test else path
    classes = tuple(p.name for p in _folders(root))
    if len(classes) < 2:
        what = f"{root} has {len(classes)} folders, one for each class"
        raise CompileError("GL410", what, hint="put the images of each class into a folder of its own")
    held = _list(test, classes) if train and test else None
    return Folder(_list(root, classes), held, classes)


def _folders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))


def _list(root: Path, classes: tuple[str, ...]) -> Listing:
    strange = [p.name for p in _folders(root) if p.name not in classes]
    if strange:
        what = f"{root} has the class {strange[0]}, which there are no images of to train on"
        raise CompileError("GL410", what, hint="give both splits the same folders")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = images_in(root / name) if (root / name).is_dir() else []
        if not found:
            what = f"{root / name} has no images"
            raise CompileError("GL410", what, hint=f"put files {', '.join(SUFFIXES)} there, or remove the class")
        files += found
        labels += [label] * len(found)
    listed = np.empty(len(files), object)
    listed[:] = files
    return Listing(listed, np.array(labels, np.int32))


def images_in(folder: Path) -> list[Path]:
    """Every image below a folder, in the order of the names."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
