"""Builds the functions that a program lacks, all in one module, and keeps them for the next program."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from gradlet.backends.tvm.function import make_function
from gradlet.backends.tvm.kernel import Case, Kernel
from gradlet.backends.tvm.package import tvm

# Kernel and case -> the built function. It lasts as long as the process: building is what takes time.
_BUILT: dict[tuple[Kernel, Case], Any] = {}


@functools.cache
def host_target() -> Any:
    """This machine, with all that its processor can do."""
    return tvm.target.Target({"kind": "llvm", "mcpu": tvm.target.codegen.llvm_get_system_cpu(), "opt-level": 2})


def compile_module(functions: Iterable[Any]) -> Any:
    """One runtime module of all these functions, by their global symbols."""
    module = tvm.IRModule({f.attrs["global_symbol"]: f for f in functions})
    # The checks of every argument would be most of the code; the plan was checked once instead.
    with tvm.transform.PassContext(config={"tirx.disable_assert": True}):
        return tvm.compile(module, target=host_target())


def build(wanted: Iterable[tuple[Kernel, Case]]) -> dict[tuple[Kernel, Case], Any]:
    """What to call for each kernel and case."""
    wanted = list(dict.fromkeys(wanted))
    missing = {
        f"{case.op}_{i}": (kernel, case) for i, (kernel, case) in enumerate(wanted) if (kernel, case) not in _BUILT
    }
    if missing:
        library = compile_module(make_function(kernel, case, name) for name, (kernel, case) in missing.items())
        _BUILT.update({key: library[name] for name, key in missing.items()})
    return {key: _BUILT[key] for key in wanted}
