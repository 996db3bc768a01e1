"""Builds the functions that a program lacks, all in one module, and keeps them for the next program."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gradlet.backends.tvm.function import Function, make_function
from gradlet.backends.tvm.kernel import Case, Kernel
from gradlet.backends.tvm.package import tvm


@dataclass(frozen=True)
class Built:
    """A function that can be called, with a tensor for each of its parameters."""

    function: Function
    run: Any


# It lasts as long as the process: building is what takes time.
_BUILT: dict[tuple[Kernel, Case], Built] = {}


@functools.cache
def host_target() -> Any:
    """This machine, with all that its processor can do."""
    return tvm.target.Target({"kind": "llvm", "mcpu": tvm.target.codegen.llvm_get_system_cpu(), "opt-level": 2})


def compile_module(functions: Iterable[Function]) -> Any:
    """One runtime module of all these functions, by their global symbols."""
    module = tvm.IRModule({f.prim.attrs["global_symbol"]: f.prim for f in functions})
    # The checks of every argument would be most of the code; the plan was checked once instead.
    with tvm.transform.PassContext(config={"tirx.disable_assert": True}):
        return tvm.compile(module, target=host_target())


def build(wanted: Iterable[tuple[Kernel, Case]]) -> dict[tuple[Kernel, Case], Built]:
    """What to call for each kernel and case."""
    wanted = list(dict.fromkeys(wanted))
    missing = [key for key in wanted if key not in _BUILT]
    if missing:
        functions = [make_function(*key, f"{key[1].op}_{number}") for number, key in enumerate(missing)]
        library = compile_module(functions)
        names = [f.prim.attrs["global_symbol"] for f in functions]
        _BUILT.update({k: Built(f, library[n]) for k, f, n in zip(missing, functions, names, strict=True)})
    return {key: _BUILT[key] for key in wanted}
