"""Progress bars for long work."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Advance = Callable[[int], None]


@contextlib.contextmanager
def bars(console: Console) -> Iterator[Callable[[str, int], Advance]]:
    """A function that adds a bar (description, total) and returns what moves it on."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as shown:

        def add(description: str, total: int) -> Advance:
            return partial(shown.advance, shown.add_task(description, total=total))

        yield add
