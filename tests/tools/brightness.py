"""A small task to fine-tune on: which channel of an image is brightest."""

import numpy as np

from gradlet.backends.reference.session import ReferenceSession
from gradlet.ir.graph import Graph
from gradlet.ir.options import parse_calls
from gradlet.ir.program import Program
from gradlet.tests.small_models import TOOLS, Builder, compiled
from gradlet.tools.datasets import Dataset, as_dataset
from gradlet.tools.fine_tuning import fine_tune
from gradlet.tools.settings import Settings
from gradlet.tools.training_log import Log

SAMPLES, BATCH = 330, 4
SETTINGS = Settings(epochs=2.5, lr=0.1, warmup=0.5, decay="cosine", seed=3)


def images_net() -> Graph:
    b = Builder("images", BATCH, 4, 4, 3)
    b.emit.loc = "body"
    x = b.emit("relu", b.conv(b.x, 6, 3))
    b.emit.loc = "head"
    return b.done(b.dense(b.emit("mean", x, axis=(1, 2)), 3))


def program_with(update: str = "sgd") -> Program:
    return compiled(images_net(), differentiate={"update": parse_calls(update)[0]})


def bright(seed: int = 0) -> Dataset:
    """Which channel is brightest."""
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(SAMPLES, 4, 4, 3)).astype(np.float32)
    return as_dataset({"images": images, "labels": images.mean((1, 2)).argmax(axis=1)})


def tuned(
    settings: Settings = SETTINGS, program: Program | None = None, **options
) -> tuple[Log, dict[str, np.ndarray]]:
    program = program or program_with()
    session = ReferenceSession(program, TOOLS)
    return fine_tune(session, program, bright(), settings, **options), session.states()


class Stopper:
    """Wishes to stop after so many looks."""

    def __init__(self, looks: int):
        self.left = looks

    def __call__(self) -> bool:
        self.left -= 1
        return self.left <= 0
