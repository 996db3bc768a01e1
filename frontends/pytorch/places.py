"""Names and places in the user's model: of operators, programs and outputs."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from typing import Any

from torch.fx import Node


def module_path(node: Node) -> str:
    """`features.3.conv`; for what the outermost module does itself, the operator's own name in the traced graph."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    path = str(stack[-1][0]) if stack else ""
    return re.sub(r"@\d+$", "", path) or node.name


def source_line(node: Node) -> str:
    """`model.py:12`, where the user's code applies the operator; empty if that is not known."""
    import torch

    library = os.path.dirname(torch.__file__)
    frames = re.findall(r'File "([^"]+)", line (\d+), in (.+)', node.meta.get("stack_trace") or "")
    # What lies before the outermost forward called the module, and may be anybody's.
    inside = itertools.dropwhile(lambda frame: frame[2] != "forward", frames)
    own = [(path, line) for path, line, _ in inside if not path.startswith(library)]
    return f"{os.path.basename(own[-1][0])}:{own[-1][1]}" if own else ""


def place(node: Node) -> str:
    """`features.3.conv (model.py:12)`."""
    line = source_line(node)
    return module_path(node) + (f" ({line})" if line else "")


def identifier(name: str) -> str:
    return re.sub(r"\W", "_", name) or "model"


def output_names(structure: Any) -> list[str]:
    """Names of the outputs, in order: keys of dicts, positions of tuples, `logits` for a single tensor.

    Args:
        structure: What forward returns, with anything in the place of the tensors.
    """
    names = [".".join(path) for path in _paths(structure)]
    if names in ([""], ["0"]):
        return ["logits"]
    return [f"output{name}" if name[:1].isdigit() else name for name in names]


def _paths(structure: Any) -> Iterator[tuple[str, ...]]:
    if isinstance(structure, dict):
        items = [(str(key), value) for key, value in structure.items()]
    elif isinstance(structure, (list, tuple)):
        fields = getattr(structure, "_fields", range(len(structure)))
        items = [(str(field), value) for field, value in zip(fields, structure, strict=True)]
    else:
        yield ()
        return
    for key, value in items:
        yield from ((key, *path) for path in _paths(value))
