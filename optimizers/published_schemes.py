"""The sparse update schemes of "On-Device Training Under 256KB Memory" (Lin et al., NeurIPS 2022)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One scheme.

    Attributes:
        biases: How many of the last convolutions learn their bias.
        weights: Convolution, counted from the input -> part of its input channels that learns; 0: its bias alone.
    """

    biases: int
    weights: Mapping[int, float]


def _scheme(biases: int, convolutions: str, ratios: str) -> Published:
    pairs = zip(convolutions.split(), ratios.split(), strict=True)
    return Published(biases, {int(index): float(ratio) for index, ratio in pairs})


_MBV2_LAST = "27 30 33 36 39 42 45 48"
_PROXYLESS_LAST = "36 39 42 45 48 51 54 57"
# Model -> name, which is the memory that the paper counts (analytic_memory.py) -> scheme.
PUBLISHED: Mapping[str, Mapping[str, Published]] = {
    "mcunet-5fps": {
        "49kb": _scheme(20, "23 24 27 30 33 39", "0 .25 .5 .5 0 0"),
        "74kb": _scheme(21, "21 23 24 26 27 30", "1 0 1 0 .5 1"),
        "99kb": _scheme(22, "21 24 27 30 36 39", "1 1 1 1 .125 .25"),
        "124kb": _scheme(24, "21 24 27 30 33 39", ".25 1 1 1 .5 .5"),
        "148kb": _scheme(23, "21 24 27 30 36 39", "1 1 1 1 1 .5"),
    },
    "mbv2-w0.35": {
        "49kb": _scheme(16, "36 39 40 41 42 45 48 49", "1 1 0 .25 .125 .125 .125 .125"),
        "73kb": _scheme(20, "32 33 36 39 41 42 45 48", ".125 .5 .5 1 .25 .125 .125 1"),
        "99kb": _scheme(25, _MBV2_LAST, "1 1 1 1 1 .125 .5 1"),
        "123kb": _scheme(31, _MBV2_LAST, "1 1 1 1 1 .5 1 1"),
        "138kb": _scheme(34, _MBV2_LAST, "1 1 1 1 1 1 1 1"),
    },
    "proxyless-w0.3": {
        "49kb": _scheme(21, "39 42 44 45 50 51 54 57", ".25 1 0 1 0 .125 .25 .25"),
        "74kb": _scheme(28, "33 36 39 42 45 51 54 57", ".5 .25 1 1 1 .5 .25 .5"),
        "98kb": _scheme(25, _PROXYLESS_LAST, "1 .5 1 1 .25 .5 1 1"),
        "120kb": _scheme(32, _PROXYLESS_LAST, "1 1 1 1 .5 1 1 1"),
        "148kb": _scheme(45, _PROXYLESS_LAST, "1 1 1 1 1 1 1 1"),
    },
}


def published(name: str, program: str) -> Published | None:
    """The scheme of a full name, `mcunet-5fps/49kb`, or of `49kb` for a program with the name of a model.

    Args:
        name: As the user wrote it.
        program: Name of what is compiled: `mcunet-5fps`, `mcunet_5fps` and `mcunet_5fps_128` are the same model.
    """
    model, slash, size = name.rpartition("/")
    if slash:
        return PUBLISHED.get(model, {}).get(size)
    return next((schemes[size] for schemes in _of_program(program) if size in schemes), None)


def published_names(program: str) -> list[str]:
    """What may be written for a program: short names where its own name says which model it is, else an example."""
    short = [size for schemes in _of_program(program) for size in schemes]
    model, schemes = next(iter(PUBLISHED.items()))
    return short or [f"{model}/{next(iter(schemes))} and the like"]


def _of_program(program: str) -> Iterator[Mapping[str, Published]]:
    for model, schemes in PUBLISHED.items():
        if f"{_words(program)}-".startswith(f"{_words(model)}-"):
            yield schemes


def _words(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower())
