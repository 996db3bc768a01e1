"""Kuzushiji-MNIST (8,000 and 2,000 images of 10 characters), and a ResNet-8 trained on some of its classes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from gradlet.tests.models.resnet8 import ResNet8
from gradlet.tools.datasets import Dataset, Split, load_dataset

FILE = Path(os.environ.get("GRADLET_DATA", "../shared/data")) / "images" / "kmnist_8k2k.npz"


def kmnist(classes: Sequence[int]) -> Dataset:
    """The images of these classes, float32[N, 28, 28, 1] from 0 to 1; labels as they are."""
    data = load_dataset(str(FILE))
    train, test = (_chosen(split, classes) for split in (data.train, data.test))
    return Dataset(train, test)


def _chosen(split: Split, classes: Sequence[int]) -> Split:
    kept = np.isin(split.targets, classes)
    return Split(split.inputs[kept, ..., None].astype(np.float32) / 255, split.targets[kept].astype(np.int32))


def trained_resnet8(data: Split, classes: int, epochs: int, seed: int = 0, batch: int = 64, lr: float = 0.1) -> ResNet8:
    """In evaluation mode; images are shifted by up to two pixels, the learning rate falls as half a cosine."""
    torch.manual_seed(seed)
    module = ResNet8(classes, channels=1, batch_norm=True).train()
    images, labels = torch.from_numpy(data.inputs).movedim(-1, 1), torch.from_numpy(data.targets).long()
    optimizer = torch.optim.SGD(module.parameters(), lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = epochs * (len(labels) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.2)
    for _ in range(epochs):
        for chosen in torch.randperm(len(labels))[: len(labels) // batch * batch].reshape(-1, batch):
            x = torch.roll(images[chosen], tuple(torch.randint(-2, 3, (2,)).tolist()), (2, 3))
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(x), labels[chosen]).backward()
            optimizer.step()
            schedule.step()
    return module.eval()


def accuracy_of(module: nn.Module, data: Split) -> float:
    with torch.no_grad():
        scores = module(torch.from_numpy(data.inputs).movedim(-1, 1))
    return float((scores.argmax(1).numpy() == data.targets).mean())
