"""Builds the functions that a program lacks, all in one module, and keeps them for the next program."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gradlet.backends.tvm.function import Function, make_function
from gradlet.backends.tvm.kernel import Case, Kernel
from gradlet.backends.tvm.package import tvm


@dataclass(frozen=True)
class Built:
    """A function, and the module that it is built into."""

    function: Function
    library: Any

    @property
    def run(self) -> Any:
        """What to call, with a tensor for each parameter; the first use of a module loads all of it."""
        return self.library[self.function.name]


# It lasts as long as the process: building is what takes time.
_BUILT: dict[tuple[Kernel, Case], Built] = {}


@functools.cache
def host_target() -> Any:
    """This machine, with all that its processor can do."""
    return tvm.target.Target({"kind": "llvm", "mcpu": tvm.target.codegen.llvm_get_system_cpu(), "opt-level": 2})


def build(wanted: Iterable[tuple[Kernel, Case]]) -> dict[tuple[Kernel, Case], Built]:
    """What to call for each kernel and case."""
    wanted = list(dict.fromkeys(wanted))
    missing = [key for key in wanted if key not in _BUILT]
    if missing:
        build_module({key: make_function(*key, f"{key[1].op}_{number}") for number, key in enumerate(missing)})
    return {key: _BUILT[key] for key in wanted}


def build_module(functions: Mapping[tuple[Kernel, Case], Function]) -> Any:
    """One runtime module of all these functions, by their names; programs that need one of them find it built."""
    # The checks of every argument would be most of the code; the plan was checked once instead.
    with tvm.transform.PassContext(config={"tirx.disable_assert": True}):
        library = tvm.compile(module_of(functions.values()), target=host_target())
    for key, function in functions.items():
        _BUILT.setdefault(key, Built(function, library))
    return library


def module_of(functions: Iterable[Function]) -> Any:
    return tvm.IRModule({f.name: f.prim for f in functions})
