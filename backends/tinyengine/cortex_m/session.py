"""A program that runs on an emulated microcontroller, behind the interface of all backends."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gradlet.backends.tinyengine.c_text import packed, unpacked
from gradlet.backends.tinyengine.cortex_m.build import OPTIONS, Firmware, build_firmware
from gradlet.backends.tinyengine.cortex_m.emulator import INSTRUCTION_LIMIT, Emulator, Job, Run
from gradlet.backends.tinyengine.emitter import files
from gradlet.backends.tinyengine.model import Model, Port, Routine, Variable, describe
from gradlet.ir.arguments import check_arrays, check_inputs
from gradlet.ir.backend import Arrays
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Value, storage
from gradlet.ir.memory_plan import Slot
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program
from gradlet.ir.target import Target

STACK_STEP = 8  # bytes: the stack pointer of an Arm processor is aligned to as many where a function begins


class DeviceSession:
    """The C functions of a model on a device of their own; calls cost what they cost there, and little more here.

    Attributes:
        firmware: What is in the flash.
        emulator: The device.
        instructions: Of the last call.
        total_instructions: Of all calls.
    """

    def __init__(self, model: Model, firmware: Firmware, *, limit: int = INSTRUCTION_LIMIT):
        self.model, self.firmware = model, firmware
        self.emulator = Emulator(firmware, limit=limit)
        self.emulator.start()
        self.instructions = self.total_instructions = 0
        self._checked: set[str] = set()

    def infer(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return self._run(self._inference, inputs)

    def train_step(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return self._run(self._training, inputs)

    def infer_many(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """One inference for each index of the inputs' first axis; the outputs have that axis too."""
        return self._run_many(self._inference, inputs)

    def train_steps(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """One step for each index of the inputs' first axis, in order; a single `lr` is for all of them."""
        return self._run_many(self._training, inputs)

    def states(self) -> dict[str, np.ndarray]:
        present = [v for v in self.model.variables if v.symbol in self.firmware.elf.symbols]
        reads = [(self.emulator.address(v.symbol), v.bytes) for v in present]
        found = dict(zip(present, self.emulator.call(Job(None, reads=reads)).reads, strict=True))
        return {v.state.name: _state(v, found.get(v)) for v in self.model.variables}

    def set_states(self, states: Arrays) -> None:
        check_arrays(states, [v.state.value for v in self.model.mutable], "changeable state")
        writes = [
            (self.emulator.address(v.symbol), _bytes(states[v.state.name], v.state.value))
            for v in self.model.mutable
            if v.state.name in states
        ]
        self.emulator.call(Job(None, writes=writes))

    @property
    def stack_used(self) -> int:
        """Bytes, over all calls since the session began."""
        return self.emulator.stack_used

    @property
    def ram_used(self) -> int:
        """Bytes of RAM that something was ever written to, measured."""
        return self.emulator.ram_used

    def memory(self) -> dict[str, int]:
        """Bytes as the linker placed them, and the stack as it was used: the `memory` of a report."""
        use = self.firmware.use
        stack = math.ceil(self.stack_used / STACK_STEP) * STACK_STEP
        variables = use.data + use.bss
        symbols = self.firmware.elf.symbols
        tables = [v.initial if v.mutable else v.symbol for v in self.model.variables]
        weights = sum(symbols[name].size for name in tables if name in symbols)
        return {
            "arena": self.model.arena_bytes,
            "state": self.model.state_bytes,
            "static": variables - self.model.arena_bytes - self.model.state_bytes,
            "stack": stack,
            "sram_total": variables + stack,
            "flash_weights": weights,
            "flash_code": use.flash - weights,
            "flash_total": use.flash,
        }

    def profile(self) -> dict[str, int]:
        """Instructions by C function, over all calls, the costliest first."""
        return self.emulator.profile()

    def close(self) -> None:
        self.emulator.close()

    @property
    def _inference(self) -> Routine:
        assert self.model.infer, f"{self.model.name} was made without an inference"
        return self.model.infer

    @property
    def _training(self) -> Routine:
        assert self.model.train_step, f"{self.model.name} does not train"
        return self.model.train_step

    def _run(self, routine: Routine, inputs: Arrays) -> dict[str, np.ndarray]:
        check_inputs(inputs, routine.graph.inputs, routine.graph.name)
        # Which addresses are accessed does not depend on the data: one look is enough.
        check = routine.symbol not in self._checked
        self._checked.add(routine.symbol)
        run = self.emulator.call(self._job(routine, inputs), check=check)
        self._count([run])
        return {p.value.name: unpacked(data, p.value.type) for p, data in zip(routine.outputs, run.reads, strict=True)}

    def _run_many(self, routine: Routine, inputs: Arrays) -> dict[str, np.ndarray]:
        samples = list(_samples(routine, inputs))
        runs = self.emulator.calls([self._job(routine, sample) for sample in samples])
        self._count(runs)
        columns = zip(*(run.reads for run in runs), strict=True)
        return {
            p.value.name: np.stack([unpacked(data, p.value.type) for data in column])
            for p, column in zip(routine.outputs, columns, strict=True)
        }

    def _job(self, routine: Routine, inputs: Arrays) -> Job:
        return Job(
            routine.symbol,
            [np.asarray(inputs[p.value.name]).astype(p.value.type.dtype.numpy).item() for p in routine.arguments],
            [(self._address(p, routine), _bytes(inputs[p.value.name], p.value)) for p in routine.inputs],
            [(self._address(p, routine), p.value.type.bytes) for p in routine.outputs],
        )

    def _address(self, port: Port, routine: Routine) -> int:
        root = storage(port.value)
        if root in routine.states:
            return self.emulator.address(self.model.variable(root).symbol)
        return self.emulator.address(f"{self.model.name}_arena") + routine.offsets[port.value]

    def _count(self, runs: Sequence[Run]) -> None:
        if runs:
            self.instructions = runs[-1].instructions
        self.total_instructions += sum(run.instructions for run in runs)


def _samples(routine: Routine, inputs: Arrays) -> Iterator[dict[str, np.ndarray]]:
    """The arrays of each call; a scalar input may be given once for all."""
    arrays = {name: np.asarray(array) for name, array in inputs.items()}
    scalars = {p.value.name for p in routine.arguments}
    single = {name for name, array in arrays.items() if name in scalars and array.ndim == 0}
    lengths = {len(array) for name, array in arrays.items() if name not in single and array.ndim}
    if len(lengths) != 1:
        what = f"{routine.graph.name}: the inputs of many calls have first axes of {sorted(lengths)}, not of one length"
        raise CompileError("GL301", what, hint="give every input as often; only scalars may stand for all calls")
    for k in range(lengths.pop()):
        sample = {name: array if name in single else array[k] for name, array in arrays.items()}
        if k == 0:
            check_inputs(sample, routine.graph.inputs, routine.graph.name)
        yield sample


def _bytes(array: np.ndarray, value: Value) -> bytes:
    return packed(np.asarray(array), value.type).tobytes()


def _state(variable: Variable, data: bytes | None) -> np.ndarray:
    """A state that no function reads is not in the firmware: it is what it was."""
    return np.array(variable.state.init) if data is None else unpacked(data, variable.state.value.type)


def _main(model: Model) -> str:
    """The rest of the firmware: prepares the model, and keeps what the emulator will call."""
    names = ", ".join(f"(const void *){r.symbol}" for r in model.routines)
    return (
        f'#include "board.h"\n#include "{model.name}.h"\n\n'
        f"BOARD_ENTRY static const void *const entries[] = {{{names}}};\n\n"
        f"int main(void) {{\n    {model.name}_init();\n    return 0;\n}}\n"
    )


def build_device(
    model: Model, *, options: Sequence[str] = OPTIONS, compiler: str = "zig", stack_bytes: int | None = None
) -> Firmware:
    """The firmware of one model; see `build_firmware`."""
    sources = {**files(model), "main.c": _main(model)}
    try:
        return build_firmware(sources, model.target, options=options, compiler=compiler, stack_bytes=stack_bytes)
    except CompileError as error:
        if error.code == "GL340" and "bytes of RAM" in error.what:
            error.what += "\n".join(["\n  at the peak of the arena:", *_alive_at_peak(model)])
        raise


def _alive_at_peak(model: Model, count: int = 8) -> Iterator[str]:
    """The largest values that the arena holds when it holds most."""
    routine = max(model.routines, key=lambda r: r.plan.arena_bytes)
    slots = routine.plan.slots

    def alive(step: int) -> list[Slot]:
        return [s for s in slots if s.first <= step <= s.last]

    peak = max(range(len(routine.graph.nodes)), key=lambda step: sum(s.size for s in alive(step)), default=0)
    for slot in sorted(alive(peak), key=lambda s: -s.size)[:count]:
        yield f"  {', '.join(f'{v}: {v.type}' for v in slot.values) or 'working memory'} {slot.size:,}"


def open_device(program: Program, target: Target, toolbox: Toolbox, **build: Any) -> DeviceSession:
    """Builds the firmware, puts it into an emulated device and starts it.

    Args:
        program: With or without training.
        target: A Cortex-M.
        toolbox: Ops and kernels.
        **build: As for `build_device`.
    """
    model = describe(program, target, toolbox)
    return DeviceSession(model, build_device(model, **build))
