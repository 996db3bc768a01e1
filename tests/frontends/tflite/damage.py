"""Damage to files: flipped bits, ends cut off, strange numbers, and models that say something strange."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from typing import Any

from gradlet.tests.small_tflite import Record, flatbuffer


def flipped(data: bytes, draw: random.Random) -> bytes:
    """With one to eight bits changed."""
    damaged = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
    return bytes(damaged)


def truncated(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data))]


def strange(data: bytes, draw: random.Random) -> bytes:
    """With a number that offsets, sizes and indices do not have."""
    damaged, at = bytearray(data), draw.randrange(len(data) // 4) * 4
    number = draw.choice((0, 1, 2, 3, 4, 8, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 4, len(data), at))
    struct.pack_into("<I", damaged, at, number)
    return bytes(damaged)


def leaves(value: object, path: tuple = ()) -> Iterator[tuple]:
    """The path of every entry of nested dicts and lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield (*path, key)
        yield from leaves(below, (*path, key))


def changed(content: Record, draw: random.Random) -> bytes:
    """A file that reads well and says something strange."""
    *path, last = draw.choice(list(leaves(content)))
    target: Any = content
    for key in path:
        target = target[key]
    old = target[last]
    if isinstance(old, float):
        target[last] = draw.choice((0.0, -1.0, 1e30, float("nan"), float("inf"), 1e-30))
    elif isinstance(old, bool | int):
        most = 1 if isinstance(old, bool) else 127
        target[last] = draw.choice((0, 1, min(2, most), most, min(13, most)))
    elif draw.random() < 0.5:
        target[last] = old[:-1] if isinstance(old, list | bytes | str) else old
    elif isinstance(path[-1] if path else None, str) and isinstance(target, dict):
        del target[last]
        if last in ("builtin_options_type", "data"):
            target.pop("builtin_options", None)
    return flatbuffer(content)
