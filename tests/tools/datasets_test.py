"""Where samples come from, and how they are divided."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gradlet.ir.errors import CompileError
from gradlet.tools.datasets import Holdout, as_dataset, load_dataset


def pictures(root: Path, *folders: str, count: int = 5) -> Path:
    for folder in folders:
        (root / folder).mkdir(parents=True)
        for k in range(count):
            Image.new("RGB", (8 + k, 9), (k, 0, 0)).save(root / folder / f"{k}.png")
    return root


def test_a_folder_has_a_folder_for_each_class(tmp_path):
    pictures(tmp_path, "cats", "ants", ".cache")
    (tmp_path / "cats" / "notes.txt").write_text("not an image")
    found = load_dataset(str(tmp_path))
    assert found.classes == ("ants", "cats")
    assert (len(found.train), len(found.test)) == (8, 2)
    assert found.test.targets.tolist() == [0, 1], "of each class, a share"
    for split in (found.train, found.test):
        assert [p.parent.name for p in split.inputs] == [found.classes[label] for label in split.targets]


def test_a_folder_may_be_divided(tmp_path):
    pictures(tmp_path, "train/a", "train/b")
    pictures(tmp_path, "val/b", "val/a", count=2)
    found = load_dataset(str(tmp_path))
    assert (len(found.train), len(found.test)) == (10, 4)
    assert found.test.targets.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("folders", "count", "message"),
    [
        (["one"], 2, "1 folders, one for each class"),
        ([], 2, "0 folders"),
        (["a", "b"], 0, "a has no images"),
        (["train/a", "train/b", "test/a"], 1, "b has no images"),
        (["train/a", "train/b", "test/a", "test/b", "test/c"], 1, "the class c, which there are no images of"),
    ],
)
def test_folders_that_are_no_data_set(tmp_path, folders, count, message):
    with pytest.raises(CompileError, match=message) as caught:
        load_dataset(str(pictures(tmp_path, *folders, count=count)))
    assert caught.value.code == "GL410"


def written(tmp_path: Path, source: str) -> str:
    (tmp_path / "data.py").write_text("import numpy as np\n" + source)
    return f"{tmp_path}/data.py:load"


def test_a_function_may_yield_pairs(tmp_path):
    source = "def load():\n    for k in range(10):\n        yield np.full((4, 4), k, np.float32), k % 2\n"
    found = load_dataset(written(tmp_path, source))
    assert found.train.inputs.shape == (8, 4, 4)
    assert np.array_equal(found.train.targets, found.train.inputs[:, 0, 0] % 2)


def test_pairs_may_be_pictures_of_any_size_and_files(tmp_path):
    Image.new("L", (5, 5)).save(tmp_path / "a.png")
    sizes = [np.zeros((3, 4), np.uint8), Image.new("RGB", (6, 7)), str(tmp_path / "a.png"), tmp_path / "a.png"]
    found = as_dataset({"train": [(s, k) for k, s in enumerate(sizes)], "test": [(sizes[0], 0)]})
    assert found.train.inputs.dtype == object and len(found.train) == 4
    assert found.train.inputs[2] == found.train.inputs[3] == tmp_path / "a.png"
    assert found.test.inputs.shape == (1, 3, 4)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def load():\n    yield 1, 2\n    raise OSError('camera')", "fails: OSError: camera"),
        ("def load():\n    yield 1, 2, 3", "item 0 is tuple, not a pair"),
        ("def load():\n    return 3", "returns int"),
        ("def load():\n    return []", "has no samples"),
        ("def load():\n    return [(1, [0]), (1, [0, 1])]", "targets of several shapes"),
        ("def load():\n    return {'images': np.zeros((3, 2)), 'labels': np.zeros(2)}", "2 labels for 3 samples"),
        ("def load():\n    return {'images': np.zeros((3, 2)), 'labels': 1}", "0 labels for 3 samples"),
        ("def load():\n    return {'train': [(1, 2)], 'test': 5}", "test returns int"),
    ],
)
def test_functions_that_give_no_data_set(tmp_path, source, message):
    with pytest.raises(CompileError, match=message) as caught:
        load_dataset(written(tmp_path, source))
    assert caught.value.code == "GL410"


@pytest.mark.parametrize("name", [lambda split, kind: f"{split}_{kind}", lambda split, kind: f"{kind[0]}_{split}"])
def test_the_arrays_of_a_split_have_its_name_before_or_behind(tmp_path, name: Callable[[str, str], str]):
    kinds = (
        {"images": "x", "labels": "y"} if name("a", "b").startswith("b") else {"images": "images", "labels": "labels"}
    )
    arrays = {}
    for split, count in (("train", 6), ("test", 3)):
        arrays[name(split, kinds["images"])] = np.zeros((count, 2), np.uint8)
        arrays[name(split, kinds["labels"])] = np.arange(count, dtype=np.uint8)
    np.savez(tmp_path / "data.npz", **arrays, classes=np.array(["a", "b"]))
    found = load_dataset(str(tmp_path / "data.npz"))
    assert (len(found.train), len(found.test), found.classes) == (6, 3, ("a", "b"))


def test_samples_are_held_back_by_class_and_seed():
    labels = np.repeat(np.arange(4), 25)  # in order, as folders are read
    arrays = {"images": np.arange(100)[:, None], "labels": labels}
    found, same, other = (as_dataset(arrays, holdout=Holdout(0.2, seed)) for seed in (1, 1, 2))
    assert np.bincount(found.test.targets).tolist() == [5] * 4
    assert sorted([*found.train.inputs[:, 0], *found.test.inputs[:, 0]]) == list(range(100))
    assert np.array_equal(found.test.inputs, same.test.inputs)
    assert not np.array_equal(found.test.inputs, other.test.inputs)


def test_targets_that_are_no_classes_are_held_back_too():
    found = as_dataset({"images": np.zeros((10, 2)), "labels": np.zeros((10, 3))}, holdout=Holdout(0.3))
    assert (len(found.train), len(found.test)) == (7, 3)


@pytest.mark.parametrize("share", [0, 1, -0.5, np.nan])
def test_shares_that_leave_nothing(share):
    with pytest.raises(CompileError, match="GL212"):
        Holdout(share)
