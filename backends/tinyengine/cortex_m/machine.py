"""Emulates a microcontroller for the process that started it.

A program of its own, which needs nothing but the standard library and unicorn: what goes wrong in the emulator (whose
licence is the GPL) ends here. It reads pickled requests from the standard input and answers each on the standard
output; emulator.py is the other end.
"""

import ctypes
import mmap
import os
import pickle
import struct
import sys
from typing import Any, BinaryIO

import unicorn
from unicorn import arm_const as arm
from unicorn.unicorn_py3.unicorn import uclib

SYS_OPEN, SYS_WRITE, SYS_EXIT_EXTENDED = 0x01, 0x05, 0x20
SYSTEM_CONTROL, COPROCESSOR_ACCESS = 0xE000_E000, 0xD88
PAGE = 4096
BREAKPOINT = 7
READ_ONLY, READ_WRITE = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE
ACCESSES = {
    unicorn.UC_MEM_READ_UNMAPPED: "read",
    unicorn.UC_MEM_WRITE_UNMAPPED: "write",
    unicorn.UC_MEM_FETCH_UNMAPPED: "fetch",
    unicorn.UC_MEM_READ_PROT: "read",
    unicorn.UC_MEM_WRITE_PROT: "write",
    unicorn.UC_MEM_FETCH_PROT: "fetch",
}


class Block(ctypes.Structure):
    """`struct block` of hooks.c."""

    _fields_ = (
        ("address", ctypes.c_uint32),
        ("bytes", ctypes.c_uint32),
        ("instructions", ctypes.c_uint64),
        ("times", ctypes.c_uint64),
    )


class Counter(ctypes.Structure):
    """`struct counter` of hooks.c."""

    _fields_ = (
        ("used", ctypes.c_uint64),
        ("instructions", ctypes.c_uint64),
        ("limit", ctypes.c_uint64),
        ("stop", ctypes.c_void_p),
        ("code", ctypes.c_void_p),
        ("code_base", ctypes.c_uint64),
        ("blocks", Block * (1 << 16)),
    )


class Checker(ctypes.Structure):
    """`struct checker` of hooks.c."""

    _fields_ = (
        ("stop", ctypes.c_void_p),
        ("read_register", ctypes.c_void_p),
        ("code", ctypes.c_void_p),
        ("code_base", ctypes.c_uint64),
        ("conditional", ctypes.c_uint64),
        ("pc", ctypes.c_uint64),
        ("address", ctypes.c_uint64),
    )


class Memory:
    """Bytes of this process that the emulated one has at an address."""

    def __init__(self, base: int, content: bytes):
        self.base, self.bytes = base, len(content)
        self.mapped = -(-len(content) // PAGE) * PAGE
        self.content = mmap.mmap(-1, self.mapped)
        self.content[: len(content)] = content
        self.pointer = ctypes.addressof(ctypes.c_char.from_buffer(self.content))

    @property
    def is_exceeded(self) -> bool:
        """Whether something was written beyond the end: whole pages are mapped, and a memory may end within one."""
        return any(self.content[self.bytes :])

    def has(self, address: int, size: int) -> bool:
        return self.base <= address and address + size <= self.base + self.bytes


class Machine:
    """The processor, its two memories, and nothing else that could be read or written."""

    def __init__(self, settings: dict[str, Any]):
        self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self.uc.ctl_set_cpu_model(getattr(arm, f"UC_CPU_ARM_{settings['cpu'].upper().replace('-', '_')}"))
        self.flash = Memory(settings["flash_base"], settings["flash"])
        self.ram = Memory(settings["ram_base"], settings["ram"])
        self.return_to: int = settings["return_to"]
        for memory, access in ((self.flash, READ_ONLY), (self.ram, READ_WRITE)):
            self.uc.mem_map_ptr(memory.base, memory.mapped, access, memory.pointer)
        self.uc.mmio_map(SYSTEM_CONTROL, PAGE, self._read_register, None, self._write_register, None)
        self.uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_invalid_access)
        self.uc.hook_add(unicorn.UC_HOOK_INTR, self._on_interrupt)
        self.hooks = ctypes.CDLL(settings["hooks"])
        stop, read = (ctypes.cast(f, ctypes.c_void_p) for f in (uclib.uc_emu_stop, uclib.uc_reg_read))
        code, base = self.flash.pointer, self.flash.base
        self.counter = Counter(stop=stop, code=code, code_base=base)
        self.checker = Checker(stop, read, code, base)
        self._hook(unicorn.UC_HOOK_BLOCK, self.hooks.count_block, self.counter)
        self.control = {COPROCESSOR_ACCESS: 0}
        self.output = bytearray()
        self.status: int | None = None
        self.fault: dict[str, Any] | None = None

    def _hook(self, kind: int, function: Any, argument: ctypes.Structure) -> ctypes.c_size_t:
        """hook_add() of unicorn can only call Python, which is twenty times slower."""
        handle, pointer = ctypes.c_size_t(), ctypes.cast(function, ctypes.c_void_p)
        everywhere = ctypes.c_uint64(1), ctypes.c_uint64(0)
        error = uclib.uc_hook_add(
            self.uc._uch, ctypes.byref(handle), kind, pointer, ctypes.byref(argument), *everywhere
        )
        if error:
            raise unicorn.UcError(error)
        return handle

    def _read_register(self, uc: unicorn.Uc, offset: int, size: int, _: Any) -> int:
        if offset not in self.control:
            self._report("read", SYSTEM_CONTROL + offset, size)
            uc.emu_stop()
        return self.control.get(offset, 0)

    def _write_register(self, uc: unicorn.Uc, offset: int, size: int, value: int, _: Any) -> None:
        if offset not in self.control:
            self._report("write", SYSTEM_CONTROL + offset, size)
            uc.emu_stop()
        self.control[offset] = value

    def _on_invalid_access(self, uc: unicorn.Uc, access: int, address: int, size: int, value: int, _: Any) -> bool:
        self._report(ACCESSES[access], address, size)
        return False

    def _report(self, kind: str, address: int, size: int, pc: int | None = None) -> None:
        """Keeps the first thing that goes wrong; what follows is a consequence."""
        now, sp, lr = (self.uc.reg_read(r) for r in (arm.UC_ARM_REG_PC, arm.UC_ARM_REG_SP, arm.UC_ARM_REG_LR))
        fault = {"kind": kind, "address": address, "bytes": size, "pc": now if pc is None else pc, "sp": sp, "lr": lr}
        self.fault = self.fault or fault

    def _on_interrupt(self, uc: unicorn.Uc, number: int, _: Any) -> None:
        """Does what the firmware asks the debugger for; other interrupts are faults."""
        pc = uc.reg_read(arm.UC_ARM_REG_PC)
        if number != BREAKPOINT or not self.flash.has(pc, 2) or bytes(uc.mem_read(pc, 2)) != b"\xab\xbe":
            self._report("exception", number, 0)
            uc.emu_stop()
            return
        operation, block = uc.reg_read(arm.UC_ARM_REG_R0), uc.reg_read(arm.UC_ARM_REG_R1)
        if operation == SYS_EXIT_EXTENDED:
            self.status = struct.unpack("<2I", self.read(block, 8))[1]
            uc.emu_stop()
            return
        if operation == SYS_WRITE:
            _, source, count = struct.unpack("<3I", self.read(block, 12))
            self.output += self.read(source, count)
        uc.reg_write(arm.UC_ARM_REG_R0, 1 if operation == SYS_OPEN else 0)
        uc.reg_write(arm.UC_ARM_REG_PC, (pc + 2) | 1)

    def read(self, address: int, size: int) -> bytes:
        memory = self.ram if self.ram.has(address, size) else self.flash
        assert memory.has(address, size), f"{size} bytes at {address:#x} are not all in one memory"
        return memory.content[address - memory.base : address - memory.base + size]

    def write(self, address: int, content: bytes) -> None:
        assert self.ram.has(address, len(content)), f"{len(content)} bytes at {address:#x} are not in RAM"
        self.ram.content[address - self.ram.base : address - self.ram.base + len(content)] = content

    def call(self, call: dict[str, Any]) -> dict[str, Any]:
        """Runs a function, with arguments in registers, until it returns or the firmware ends."""
        uc, counter = self.uc, self.counter
        self.output, self.status, self.fault = bytearray(), None, None
        for i, value in enumerate(call["integers"]):
            uc.reg_write(arm.UC_ARM_REG_R0 + i, value)
        for i, value in enumerate(call["floats"]):
            uc.reg_write(arm.UC_ARM_REG_S0 + i, value)
        uc.reg_write(arm.UC_ARM_REG_SP, call["sp"])
        uc.reg_write(arm.UC_ARM_REG_LR, self.return_to | 1)
        before = counter.instructions
        counter.limit = before + call["limit"]
        self._run(call["entry"], call["check"])
        if counter.instructions > counter.limit:
            self._report("limit", call["limit"], 0)
        elif self.status is None and uc.reg_read(arm.UC_ARM_REG_PC) != self.return_to:
            self._report("stop", 0, 0)
        return {
            "instructions": counter.instructions - before,
            "status": self.status,
            "output": bytes(self.output),
            "r0": uc.reg_read(arm.UC_ARM_REG_R0),
            "s0": uc.reg_read(arm.UC_ARM_REG_S0),
            "fault": self.fault,
        }

    def _run(self, entry: int, check: bool) -> None:
        # A hook on memory accesses would be the simpler one, but lets instructions after a conditional store vanish.
        hook = self._hook(unicorn.UC_HOOK_CODE, self.hooks.check_instruction, self.checker) if check else None
        if hook:
            self.uc.ctl_flush_tb()
        try:
            self.uc.emu_start(entry | 1, self.return_to)
        except unicorn.UcError as error:
            self._report("undefined" if error.errno == unicorn.UC_ERR_INSN_INVALID else str(error), 0, 0)
        if hook:
            uclib.uc_hook_del(self.uc._uch, hook)
            self.uc.ctl_flush_tb()
        if self.checker.pc:
            self._report("unaligned access", self.checker.address, 0, self.checker.pc)
            self.checker.pc = 0
        if self.ram.is_exceeded:
            self._report("excess", self.ram.base + self.ram.bytes - 1, 0)

    def blocks(self) -> list[tuple[int, int, int, int]]:
        """(address, bytes, instructions, times) of every stretch of code that was executed."""
        return [(b.address, b.bytes, b.instructions, b.times) for b in self.counter.blocks if b.times]


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """The first request has the settings; then come ("blocks",) or ("jobs", [(writes, call or None, reads), ...])."""
    machine = Machine(pickle.load(requests))
    while True:
        try:
            request = pickle.load(requests)
        except EOFError:
            return
        answer = machine.blocks() if request[0] == "blocks" else _do(machine, request[1])
        pickle.dump(answer, answers, protocol=pickle.HIGHEST_PROTOCOL)
        answers.flush()


def _do(machine: Machine, jobs: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Up to the first job that faults."""
    results: list[tuple[Any, ...]] = []
    for writes, call, reads in jobs:
        for address, content in writes:
            machine.write(address, content)
        ran = machine.call(call) if call else None
        results.append((ran, [machine.read(address, size) for address, size in reads]))
        if ran and ran["fault"]:
            break
    return results


if __name__ == "__main__":
    # What libraries print must not get between the answers.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, out)
