"""Portable C11 for any target: run on this machine through a shared library, on Cortex-M in an emulator."""

from __future__ import annotations

from gradlet.ir.backend import Artifact, Backend, Session
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program
from gradlet.ir.target import Target


def _emit(program: Program, target: Target, toolbox: Toolbox) -> Artifact:
    from gradlet.backends.tinyengine.emitter import emit

    return emit(program, target, toolbox)


def _open(program: Program, target: Target, toolbox: Toolbox) -> Session:
    if target.cpu.startswith("cortex-m"):
        from gradlet.backends.tinyengine.cortex_m.session import open_device

        return open_device(program, target, toolbox)
    from gradlet.backends.tinyengine.host.session import open_host

    return open_host(program, target, toolbox)


def _choose(program: Program, target: Target, toolbox: Toolbox) -> None:
    from gradlet.backends.tinyengine.kernel import choose_kernels

    choose_kernels(program, target, toolbox)


BACKEND = Backend("tinyengine", _emit, _open, _choose)
