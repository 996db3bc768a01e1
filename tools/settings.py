"""How long and how fast to train, and in which order the samples come."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gradlet.ir.errors import CompileError

DECAYS = ("constant", "linear", "cosine")


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        epochs: In all, warm-up included; a part of one is possible.
        lr: Highest learning rate.
        warmup: Epochs in which the rate rises from 0 to it.
        decay: Of the rate afterwards, a name of `DECAYS`; linear and cosine end at 0.
        seed: Of the order of the samples and of what is mirrored.
        flip: Mirror half of the images, left to right, anew in each epoch.
        evaluate_every: Epochs between evaluations; 0 evaluates before and after only.
    """

    epochs: float = 1.0
    lr: float = 0.01
    warmup: float = 0.0
    decay: str = "constant"
    seed: int = 0
    flip: bool = False
    evaluate_every: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "lr", "warmup", "seed", "evaluate_every"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise CompileError("GL212", f"{name} is {value}", hint="give a number from 0 on")
        if self.warmup > self.epochs:
            what = f"a warm-up of {self.warmup:g} epochs in a training of {self.epochs:g}"
            raise CompileError("GL212", what, hint="--epochs counts all epochs, those of the warm-up too")
        if self.decay not in DECAYS:
            what = f"no decay of the learning rate is called {self.decay!r}"
            raise CompileError("GL212", what, hint=f"choose {', '.join(DECAYS)}")

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step, counted from 0, of so many."""
        warm = self.warmup / self.epochs * steps if self.epochs else 0.0
        if step < warm:
            return self.lr * min(1.0, (step + 1) / warm)
        left = (steps - step) / (steps - warm)
        if self.decay == "cosine":
            return self.lr * 0.5 * (1 - math.cos(math.pi * left))
        return self.lr * left if self.decay == "linear" else self.lr
