"""Older programs made readable: one function per version, on the message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradlet.ir.errors import CompileError
from gradlet.ir.op_def import OpSet

IR_VERSION = 1

# Version -> what turns a message of that version into one of the next. Entries stay for ever.
UPGRADES: Mapping[int, Callable[[Any], None]] = {}


def upgrade(message: Any, ops: OpSet, upgrades: Mapping[int, Callable[[Any], None]] = UPGRADES) -> Any:
    """The message in the present version.

    Raises:
        CompileError: GL004 for a newer format, GL005 for a newer op; both name the writer.
    """
    if message.ir_version > IR_VERSION:
        what = f"{message.producer or 'its writer'} wrote version {message.ir_version} of the format"
        raise CompileError("GL004", f"{what}, this gradlet reads up to {IR_VERSION}", hint="install a newer gradlet")
    while message.ir_version < IR_VERSION:
        upgrades[message.ir_version](message)
        message.ir_version += 1
    for name, version in sorted(message.op_versions.items()):
        if version > ops[name].version:
            what = f"{message.producer or 'its writer'} used version {version} of {name}"
            raise CompileError("GL005", f"{what}, this gradlet has {ops[name].version}", hint="install a newer gradlet")
        if version < ops[name].version:
            _upgrade_nodes(message, name, version, ops)
    return message


def _upgrade_nodes(message: Any, name: str, version: int, ops: OpSet) -> None:
    for graph in (message.graph, message.infer):
        for node in graph.nodes:
            for step in range(version, ops[name].version) if node.op == name else ():
                ops[name].upgrades[step](node)
