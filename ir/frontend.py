"""What a frontend is: it turns a model of the user's framework into a forward graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gradlet.ir.errors import CompileError
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program


@dataclass(frozen=True)
class ImportRequest:
    """What to import, and how.

    Attributes:
        source: A file, or `path.py:function` for a function that builds the model.
        batch: Size of the batch axis; None keeps the one of the model's sample input.
        options: Options of the frontend itself, as text.
    """

    source: str
    batch: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.batch is not None and self.batch < 1:
            raise CompileError("GL212", f"a batch of {self.batch} samples", hint="give 1 or more")


@dataclass(frozen=True)
class Frontend:
    """A way to import models.

    Attributes:
        name: As users write it.
        accepts: Whether a source looks like one for this frontend, told from its name alone.
        load: The model as a program whose graph has FORWARD nodes only, places as `loc`, predictions as outputs.
        options: Names of its options. `classes` and `seed` are given those of the compilation, where they have not
            been given themselves; a frontend that makes the head says so in the metadata, `{"classes": "10"}`.
    """

    name: str
    accepts: Callable[[str], bool]
    load: Callable[[ImportRequest, Toolbox], Program]
    options: tuple[str, ...] = ()
