"""What goes wrong between a program and its device: one function a code."""

import importlib.util
import os
import shutil
import signal
from dataclasses import replace

import numpy as np

from gradlet.backends.reference import BACKEND as REFERENCE
from gradlet.backends.tinyengine import BACKEND
from gradlet.backends.tinyengine.host.compiler import find_compiler
from gradlet.ir.target import Memory
from gradlet.targets.stm32f746 import TARGET
from gradlet.tests.errors.user import User
from gradlet.tests.small_models import TOOLS, compiled, mlp

X = {"x": np.ones(4, np.float32)}


def gl301(user: User) -> None:
    session = REFERENCE.open(compiled(mlp(4, 8, 3)), TARGET, TOOLS)
    session.infer({"input": np.zeros((4, 4), np.float32)})


def gl310(user: User) -> None:
    user.doubles()
    user.types("compile", "net.gradlet", "--scheme", "none", "--plugin", "mine:NO_KERNEL")


def gl311(user: User) -> None:
    user.compiles("half")


def gl312(user: User) -> None:
    """A kernel of one's own has the name of another."""
    relu = "static void relu_f32(float *y) {\n    y[0] = 0.0f;\n}\n"
    program, tools = user.doubles(relu + _calling("relu_f32(y)"), then="relu")
    BACKEND.emit(program, TARGET, tools)


def _calling(statement: str) -> str:
    return f"static void twice_f32(float *y, const float *x, int n) {{\n    {statement};\n}}\n"


def gl320(user: User) -> None:
    user.compiles("net", "--backend", "tvm", "--target", "stm32f746")


def gl330(user: User) -> None:
    program, host = compiled(mlp(4, 8, 3)), TOOLS.get("targets", "x86_64")
    user.patch.setattr(shutil, "which", lambda name: None)
    user.patch.setattr(importlib.util, "find_spec", lambda name: None)
    find_compiler.cache_clear()
    try:
        BACKEND.open(program, host, TOOLS)
    finally:
        find_compiler.cache_clear()


def gl340(user: User) -> None:
    program, tools = user.doubles(weights=4096)
    BACKEND.open(program, replace(TARGET, flash=Memory(0x0800_0000, 16 << 10)), tools)


def gl341(user: User) -> None:
    user.emulates(_calling("y[0] = sqrtt(x[0] * (float)n)"))


def gl342(user: User) -> None:
    """A kernel writes to where the device has no memory."""
    user.emulates(_calling("for (int i = 0; i < 100000; i++)\n        y[i] = x[i % n]"))


def gl343(user: User) -> None:
    user.emulates(_calling("volatile float all[2048];\n    for (int i = 0; i < 2048; i++)\n        all[i] = x[i % n]"))


def gl344(user: User) -> None:
    program, tools = user.doubles(_calling("for (volatile int i = 0; i < n; i--)\n        y[0] = x[0]"))
    session = BACKEND.open(program, TARGET, tools)
    session.emulator.limit = 1_000_000
    session.infer(X)


def gl345(user: User) -> None:
    (user.folder / "unicorn.py").write_text("raise ModuleNotFoundError(\"No module named 'unicorn'\")")
    user.patch.setenv("PYTHONPATH", str(user.folder), prepend=os.pathsep)
    user.compiles("net", "--emulate")


def gl346(user: User) -> None:
    user.has_plugin()
    user.compiles("net", "--target", "bare", "--plugin", "mine:PLUGIN", "--emulate")


def gl347(user: User) -> None:
    """Somebody, or the system for lack of memory, ends the emulator."""
    program, tools = user.doubles()
    session = BACKEND.open(program, TARGET, tools)
    os.kill(session.emulator.process.pid, signal.SIGKILL)
    session.infer(X)
