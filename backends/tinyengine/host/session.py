"""A program that runs as C on this machine, behind the interface of all backends."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlet.backends.tinyengine.c_text import packed, unpacked
from gradlet.backends.tinyengine.emitter import files
from gradlet.backends.tinyengine.host.compiler import Build
from gradlet.backends.tinyengine.host.library import Library
from gradlet.backends.tinyengine.model import Model, Port, Routine, describe
from gradlet.ir.arguments import check_arrays, check_inputs
from gradlet.ir.backend import Arrays
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program
from gradlet.ir.target import Target
from gradlet.ir.tensor_type import DType

_ARGUMENTS = {DType.F32: ctypes.c_float, DType.I32: ctypes.c_int32, DType.I64: ctypes.c_int64, DType.B1: ctypes.c_uint8}


class HostSession:
    """The C functions of one model, called as its user would call them."""

    def __init__(self, model: Model, library: Library):
        self.model = model
        self._library = library
        self._call("init")

    def infer(self, inputs: Arrays) -> dict[str, np.ndarray]:
        assert self.model.infer, f"{self.model.name} was made without an inference"
        return self._run(self.model.infer, inputs)

    def train_step(self, inputs: Arrays) -> dict[str, np.ndarray]:
        assert self.model.train_step, f"{self.model.name} does not train"
        return self._run(self.model.train_step, inputs)

    def states(self) -> dict[str, np.ndarray]:
        found = {}
        for index, variable in enumerate(self.model.variables):
            buffer = ctypes.create_string_buffer(variable.bytes)
            self._accept("get_state", index, buffer, ctypes.c_size_t(variable.bytes))
            found[variable.state.name] = unpacked(buffer.raw, variable.state.value.type)
        return found

    def set_states(self, states: Arrays) -> None:
        check_arrays(states, [v.state.value for v in self.model.mutable], "changeable state")
        for index, variable in enumerate(self.model.variables):
            if variable.state.name in states:
                data = packed(np.asarray(states[variable.state.name]), variable.state.value.type).tobytes()
                self._accept("set_state", index, data, ctypes.c_size_t(len(data)))

    def save(self) -> bytes:
        """What was learnt, as the device would store it."""
        buffer = ctypes.create_string_buffer(self.model.save_bytes)
        self._accept("save", buffer, ctypes.c_size_t(len(buffer)))
        return buffer.raw

    def load(self, saved: bytes) -> int:
        """The status that the C function returns: 0 if the saved state was accepted."""
        return int(self._call("load", saved, ctypes.c_size_t(len(saved))))

    def close(self) -> None:
        self._library.close()

    def _run(self, routine: Routine, inputs: Arrays) -> dict[str, np.ndarray]:
        check_inputs(inputs, routine.graph.inputs, routine.graph.name)
        for port in routine.inputs:
            data = packed(np.asarray(inputs[port.value.name]), port.value.type).tobytes()
            ctypes.memmove(self._address(port), data, len(data))
        function = getattr(self._library.c, routine.symbol)
        function.restype = ctypes.c_float if routine.result else None
        function(*(_scalar(inputs[p.value.name], p) for p in routine.arguments))
        outputs = {p.value.name: self._address(p) for p in routine.outputs}
        types = {p.value.name: p.value.type for p in routine.outputs}
        return {name: unpacked(ctypes.string_at(at, types[name].bytes), types[name]) for name, at in outputs.items()}

    def _address(self, port: Port) -> int:
        function = getattr(self._library.c, port.symbol)
        function.restype = ctypes.c_void_p
        return int(function())

    def _accept(self, verb: str, *args: Any) -> None:
        status = self._call(verb, *args)
        assert status == 0, f"{self.model.name}_{verb} refuses what it wrote itself: status {status}"

    def _call(self, verb: str, *args: Any) -> Any:
        return getattr(self._library.c, f"{self.model.name}_{verb}")(*args)


def _scalar(value: np.ndarray, port: Port) -> Any:
    return _ARGUMENTS[port.value.type.dtype](np.asarray(value).item())


def open_host(program: Program, target: Target, toolbox: Toolbox, build: Build | None = None) -> HostSession:
    return open_many([program], target, toolbox, build)[0]


def open_many(
    programs: Sequence[Program], target: Target, toolbox: Toolbox, build: Build | None = None
) -> list[HostSession]:
    """Many models in one library, as in one firmware; models of the same name get numbers."""
    models: list[Model] = []
    for program in programs:
        models.append(describe(program, target, toolbox, taken={m.name for m in models}))
    sources = {name: text.encode() for m in models for name, text in files(m).items()}
    library = Library((build or Build()).library(sources), users=len(models))
    return [HostSession(model, library) for model in models]
