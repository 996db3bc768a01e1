"""scikit-learn's handwritten digits, 8x8, upright as the network was pretrained or turned as the device sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TEST_SAMPLES = 360


@dataclass(frozen=True)
class Digits:
    """Images `float32[N, 8, 8, 1]` in [0, 1] and labels `int32[N]`, divided once and for all."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load_digits(quarter_turns: int = 0) -> Digits:
    """The digits, each turned counter-clockwise by so many quarter turns."""
    from sklearn import datasets

    raw = datasets.load_digits()
    images = np.rot90(raw.images / np.float32(16), quarter_turns, axes=(1, 2))[..., None].astype(np.float32)
    labels = raw.target.astype(np.int32)
    order = np.random.default_rng(0).permutation(len(images))
    test, train = order[:TEST_SAMPLES], order[TEST_SAMPLES:]
    return Digits(images[train], labels[train], images[test], labels[test])
