"""Tells the user what the emulated device did that the real one would not: where in the source, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradlet.backends.tinyengine.cortex_m.build import Firmware, memories
from gradlet.ir.errors import CompileError
from gradlet.ir.target import Memory

# A frame that is larger jumps over what lies below the stack, wherever it is.
_BELOW_STACK = 1 << 16


def explain(fault: Mapping[str, Any], firmware: Firmware) -> CompileError:
    """The error for what machine.py reports."""
    sram, flash = memories(firmware.target)
    kind, address, size = fault["kind"], fault["address"], fault["bytes"]
    where = _where(fault["pc"], fault["lr"], firmware)
    if kind == "limit":
        what = f"the device did not end within {address:,} instructions"
        return CompileError("GL344", what, where, "look for a loop without an end there, or raise `limit`")
    # The stack is lowest in RAM, so that it leaves the memory when it grows beyond all of it.
    if fault["sp"] < sram.base or (kind in ("read", "write") and 0 < sram.base - address <= _BELOW_STACK):
        reserved = firmware.use.stack
        what = f"the stack needs more than the {reserved:,} bytes that are reserved for it"
        return CompileError("GL343", what, where, "reserve more: `stack_bytes` of the target")
    if kind in ("read", "write", "fetch"):
        verb = "execution" if kind == "fetch" else kind
        what = f"{verb} of {size} bytes at {address:#010x}, {_place(address, sram, flash)}"
    elif kind == "excess":
        what = f"a write beyond the last byte of RAM at {address:#010x}, seen after the call"
    elif kind == "exception":
        what = f"the processor raised exception {address}, which nothing handles"
    elif kind == "unaligned access":
        what = f"unaligned access relative to {address:#010x} by an instruction that cannot"
    elif kind == "undefined":
        what = "the processor has no such instruction"
    else:
        what = f"the processor stopped: {kind}"
    return CompileError("GL342", f"{firmware.target.name}: {what}", where, "correct the C of the kernel at that line")


def _where(pc: int, lr: int, firmware: Firmware) -> str:
    """The source line; for a jump out of the code the line that it came from, if that was a call."""
    if firmware.elf.function_at(pc):
        return f"{firmware.place(pc)} at {pc:#010x}"
    return f"{pc:#010x}, called by {firmware.place((lr & ~1) - 2)}"


def _place(address: int, sram: Memory, flash: Memory) -> str:
    if flash.base <= address < flash.base + flash.bytes:
        return "which is flash and cannot be written"
    if sram.base <= address < sram.base + sram.bytes:
        return "which is RAM and holds no code"
    ends = f"flash {flash.base:#010x} to {flash.base + flash.bytes - 1:#010x}"
    return f"where there is no memory (RAM {sram.base:#010x} to {sram.base + sram.bytes - 1:#010x}, {ends})"
