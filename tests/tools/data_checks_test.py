"""Data that a program cannot learn from is refused before anything runs."""

import numpy as np
import pytest

from gradlet.ir.errors import CompileError
from gradlet.tests.small_models import compiled, mlp
from gradlet.tools.data_checks import check_dataset, class_count
from gradlet.tools.datasets import Dataset, Split
from gradlet.tools.settings import Settings

CLASSES = 3
PROGRAM = compiled(mlp(4, 8, CLASSES))


def _data(count: int = 12, **changed: np.ndarray) -> Dataset:
    samples = np.ones((count, 4), np.float32)
    whole = Split(samples, np.arange(count, dtype=np.int64) % CLASSES)
    return Dataset(Split(**{"inputs": whole.inputs, "targets": whole.targets, **changed}), whole)


def test_good_data_passes():
    check_dataset(_data(), PROGRAM, trains=True)
    assert class_count(PROGRAM) == CLASSES


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"targets": np.arange(12)}, "train labels go from 0 to 11, the program has 3 classes"),
        ({"targets": np.arange(12) - 1}, "labels go from -1"),
        ({"targets": np.zeros(12)}, "float64.*not one integer"),
        ({"targets": np.zeros((12, 3), np.int32)}, "not one integer a sample"),
        ({"inputs": np.full((12, 4), "1")}, "not numbers"),
        ({"inputs": np.diag([1.0, np.nan, np.inf, 0.0])[np.arange(12) % 4]}, "6 of the train samples are not finite"),
    ],
)
def test_bad_data_is_refused(changed, message):
    with pytest.raises(CompileError, match=message) as caught:
        check_dataset(_data(**changed), PROGRAM, trains=True)
    assert caught.value.code == "GL411"


def test_less_than_a_batch():
    check_dataset(_data(3), PROGRAM, trains=False)
    with pytest.raises(CompileError, match="3 samples to train on, a batch of mlp has 4"):
        check_dataset(_data(3), PROGRAM, trains=True)


def test_targets_that_are_no_labels_may_be_any_number():
    regression = compiled(mlp(4, 8, 3), differentiate={"loss": "mse"})
    assert class_count(regression) is None
    check_dataset(_data(targets=np.full((12, 3), -7.5)), regression, trains=True)


@pytest.mark.parametrize(
    "options", [{"lr": -1}, {"lr": np.nan}, {"epochs": -0.5}, {"warmup": 1.5}, {"decay": "steep"}, {"seed": -1}]
)
def test_settings_out_of_range(options):
    with pytest.raises(CompileError, match="GL212"):
        Settings(**options)
