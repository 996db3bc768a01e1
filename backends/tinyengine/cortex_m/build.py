"""Builds firmware from C for the memories of a target."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from string import Template

from gradlet.backends.tinyengine.cortex_m import toolchain
from gradlet.backends.tinyengine.cortex_m.elf import Elf, Symbol
from gradlet.backends.tinyengine.cortex_m.line_table import Row, line_at, read_lines
from gradlet.ir.errors import CompileError
from gradlet.ir.target import Memory, Target

_HERE = Path(__file__).parent
_OWN = ("board.h", "startup.c", "runtime.c", "libc/math.h", "libc/string.h")

# Without contraction the results have the same bits as on any other machine; it costs no instruction, see
# docs/decisions/0005-firmware.md.
OPTIONS = ("-O2", "-ffp-contract=off")
_LANGUAGE = ("-std=c11", "-fno-math-errno", "-fomit-frame-pointer", "-g", "-gdwarf-4")
_SECTIONS = ("-ffunction-sections", "-fdata-sections", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables")
_LINK = ("-nostartfiles", "-Wl,-e,start", "-Wl,--gc-sections", "-T", "link.ld", "-o", "firmware.elf")


@dataclass(frozen=True)
class Use:
    """Bytes of the device's memories that a firmware takes.

    Attributes:
        data: Variables with an initial value: in RAM, and as a copy in flash.
        bss: Variables that are zero at the start.
        stack: Reserved for the stack.
        code: Instructions and the constants in between.
        constants: Tables in flash, and the initial values of variables.
    """

    data: int
    bss: int
    stack: int
    code: int
    constants: int

    @property
    def ram(self) -> int:
        return self.data + self.bss + self.stack

    @property
    def flash(self) -> int:
        return self.code + self.constants


@dataclass(frozen=True)
class Firmware:
    """What the linker made, and what it was made from."""

    image: bytes
    target: Target
    sources: Mapping[str, str]

    @cached_property
    def elf(self) -> Elf:
        return Elf(self.image)

    @cached_property
    def flash_image(self) -> bytes:
        """The content of the flash as a programmer would write it; erased flash reads as ones."""
        _, flash = memories(self.target)
        image = bytearray(b"\xff" * flash.bytes)
        for address, content in self.elf.segments:
            image[address - flash.base : address - flash.base + len(content)] = content
        assert len(image) == flash.bytes, "the linker put something outside of the flash"
        return bytes(image)

    @cached_property
    def use(self) -> Use:
        size = {name: section.size for name, section in self.elf.sections.items()}
        data = size.get(".data", 0)
        return Use(data, size.get(".bss", 0), size[".stack"], size[".text"], size.get(".rodata", 0) + data)

    @cached_property
    def _lines(self) -> list[Row]:
        return read_lines(self.elf.sections[".debug_line"].data, {f.address for f in self.elf.functions})

    def place(self, address: int) -> str:
        """Where an instruction comes from, e.g. `dense (mlp.c:31: y[o] += x[i] * w[i];)`."""
        function, line = self.elf.function_at(address), line_at(self._lines, address)
        if line is None:
            return function
        file, number = line
        text = self.sources.get(file, "").split("\n")
        quoted = f": {text[number - 1].strip()}" if number <= len(text) and text[0] else ""
        return f"{function or '?'} ({file}:{number}{quoted})"


def build_firmware(
    sources: Mapping[str, str],
    target: Target,
    *,
    options: Sequence[str] = OPTIONS,
    compiler: str = "zig",
    stack_bytes: int | None = None,
) -> Firmware:
    """Compiles and links C with the startup code; every option of the compiler is part of the result's identity.

    Args:
        sources: Name -> text; those that end in `.c` are compiled, the others can be included.
        target: A Cortex-M.
        options: Of the compiler, beside those that name the processor.
        compiler: `zig` or `gcc`.
        stack_bytes: Instead of the target's.

    Raises:
        CompileError: GL340 it does not fit; GL341 the C is not accepted; GL345 the compiler is missing.
    """
    sram, flash = memories(target)
    stack = target.stack_bytes if stack_bytes is None else stack_bytes
    all_sources = {name: (_HERE / name).read_text() for name in _OWN} | dict(sources)
    image, errors = _link(all_sources, target, sram, flash, stack, options, compiler)
    if image:
        return Firmware(image, target, all_sources)
    missing = {kind: int(n) for kind, n in re.findall(r"region [`']?(RAM|FLASH)'?:? overflowed by (\d+)", errors)}
    if not missing:
        missing_symbol = "undefined" in errors or "undeclared function" in errors
        hint = "there is no C library: libc/ lists what there is" if missing_symbol else "correct the C of the kernel"
        said = "\n".join(line for line in errors.strip().splitlines() if "argument unused" not in line)
        raise CompileError("GL341", f"{compiler} does not accept the firmware:\n{said}", hint=hint)
    # Built once more for a device with room for it: what takes the room is then known.
    ample, _ = _link(all_sources, target, _ample(sram), _ample(flash), stack, options, compiler)
    raise _too_big(target, missing, Firmware(ample, target, all_sources) if ample else None)


def memories(target: Target) -> tuple[Memory, Memory]:
    """SRAM and flash of a microcontroller; raises GL346 for another kind of target."""
    if target.sram is None or target.flash is None or not target.cpu.startswith("cortex-m"):
        hint = "use a Cortex-M with `sram` and `flash`, e.g. stm32f746"
        raise CompileError("GL346", f"{target.name} is no microcontroller that firmware is built for", hint=hint)
    return target.sram, target.flash


def _ample(memory: Memory) -> Memory:
    return replace(memory, bytes=1 << 26)


def _link(
    sources: Mapping[str, str],
    target: Target,
    sram: Memory,
    flash: Memory,
    stack: int,
    options: Sequence[str],
    compiler: str,
) -> tuple[bytes, str]:
    """The ELF file, or nothing and what the compiler says."""
    values = {"ram_base": sram.base, "ram_bytes": sram.bytes, "stack_bytes": stack}
    values |= {"flash_base": flash.base, "flash_bytes": flash.bytes}
    script = Template((_HERE / "link.ld").read_text()).substitute(values)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "libc").mkdir()
        for file, text in {**sources, "link.ld": script}.items():
            (folder / file).write_text(text)
        arguments = [*_LANGUAGE, *_SECTIONS, *options, *(f for f in sources if f.endswith(".c")), *_LINK]
        run = _with_gcc if compiler == "gcc" else _with_zig
        errors = run(target, arguments, folder)
        return (folder / "firmware.elf").read_bytes() if not errors else b"", errors


def _with_zig(target: Target, arguments: Sequence[str], folder: Path) -> str:
    """Empty, or the errors of zig."""
    # For a target without an operating system zig brings no C library, and calls memcpy for each single word. It adds
    # checks for undefined behaviour unless told otherwise.
    own = ["-isystem", "libc", "-fhosted", "-fno-sanitize=all"]
    command = [*toolchain.zig_machine(target), *own, *arguments]
    # The arithmetic library is compiled at its first use, in 9 s: few firmwares call a function of it.
    done = toolchain.zig_cc(*command, "-nostdlib", cwd=folder)
    if "undefined symbol" in done.stderr:
        done = toolchain.zig_cc(*command, cwd=folder)
    return done.stderr if done.returncode else ""


def _with_gcc(target: Target, arguments: Sequence[str], folder: Path) -> str:
    """Empty, or the errors of gcc."""
    done = toolchain.gcc(*toolchain.gcc_machine(target), *arguments, "-specs=nosys.specs", "-lm", cwd=folder)
    return done.stderr if done.returncode else ""


def _too_big(target: Target, missing: Mapping[str, int], ample: Firmware | None) -> CompileError:
    name, memory = ("RAM", target.sram) if "RAM" in missing else ("flash", target.flash)
    assert memory is not None
    count = missing["RAM" if name == "RAM" else "FLASH"]
    what = f"the firmware needs {count:,} bytes more than the {memory.bytes:,} bytes of {name} that {target.name} has"
    hint = "a smaller batch, fewer trained layers, or a larger device" if name == "RAM" else "a smaller model"
    if ample is None:
        return CompileError("GL340", what, hint=hint)
    used = ample.use
    what += f"\n  stack {used.stack:,}" if name == "RAM" else f"\n  code {used.code:,}"
    what += "".join(f"\n  {s.name} {s.size:,}" for s in _largest(ample, name == "RAM"))
    return CompileError("GL340", what, hint=hint)


def _largest(firmware: Firmware, in_ram: bool, count: int = 8) -> list[Symbol]:
    """The largest variables in RAM, or tables in flash."""
    sections = firmware.elf.sections
    ranges = [sections[name] for name in ((".data", ".bss") if in_ram else (".rodata",)) if name in sections]
    inside = [
        symbol
        for symbol in firmware.elf.symbols.values()
        if any(s.address <= symbol.address < s.address + s.size for s in ranges) and symbol.size
    ]
    return sorted(inside, key=lambda symbol: -symbol.size)[:count]
