"""Runs the user's function that builds a module."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from gradlet.frontends.pytorch.exporting import Sample, first_line, user_frame
from gradlet.frontends.pytorch.importer import import_module
from gradlet.ir.errors import CompileError
from gradlet.ir.frontend import ImportRequest
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program


def import_function(file: Path, function: str, request: ImportRequest, toolbox: Toolbox) -> Program:
    """Imports what `function` of `file` returns: a module, or a module and its sample input."""
    with _importable(file.resolve().parent):
        user = _execute(file)
        module, sample = _built(file, _function(user, file, function))
        if request.options.get("shape"):
            sample = torch.zeros(_shape(request.options["shape"]))
        if sample is None:
            hint = "return (module, sample_input), or give the option shape=1,3,32,32"
            raise CompileError("GL112", f"{file}:{function} returns no sample input", hint=hint)
        return import_module(module, sample, toolbox=toolbox, name=function, batch=request.batch)


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """The user's folder is on the path; what was imported from there is forgotten afterwards."""
    sys.path.insert(0, str(folder))
    before = set(sys.modules)
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(folder):
                del sys.modules[name]


def _execute(file: Path) -> ModuleType:
    name = file.stem if file.stem not in sys.modules else f"{file.stem}_of_the_user"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None, file
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        where = f"{Path(error.filename or file).name}:{error.lineno}"
        raise CompileError("GL103", f"{file} is not Python: {error.msg}", where, "run it with python first") from error
    except BaseException as error:
        raise _failed(file, error) from error
    return module


def _function(user: ModuleType, file: Path, name: str) -> Any:
    found = getattr(user, name, None)
    if callable(found):
        return found
    own = [n for n, v in vars(user).items() if callable(v) and getattr(v, "__module__", "") == user.__name__]
    what = f"{file} has no function {name!r}" if name else f"{file} has no model in its name: a function is wanted"
    raise CompileError("GL104", what, hint=f"say {file.name}:FUNCTION; it defines: {', '.join(own) or 'none'}")


def _built(file: Path, function: Any) -> tuple[torch.nn.Module, Sample | None]:
    try:
        result = function()
    except BaseException as error:
        raise _failed(file, error) from error
    module, sample = result if isinstance(result, tuple) and len(result) == 2 else (result, None)
    if not isinstance(module, torch.nn.Module):
        what = f"{function.__name__} of {file} returns {type(module).__name__}, not a torch.nn.Module"
        raise CompileError("GL104", what, hint="return a module, or (module, sample_input)")
    return module, sample


def _failed(file: Path, error: BaseException) -> CompileError:
    if isinstance(error, KeyboardInterrupt):
        raise error
    what = f"{file} fails: {type(error).__name__}: {first_line(error)}"
    return CompileError("GL103", what, user_frame(error), "this happens in your own code: run it with python first")


def _shape(text: str) -> list[int]:
    try:
        return [int(size) for size in text.replace("x", ",").split(",")]
    except ValueError as error:
        raise CompileError("GL113", f"shape={text}: not a list of numbers", hint="write 1,3,32,32") from error
