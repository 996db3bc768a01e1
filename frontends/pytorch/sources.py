"""Loads what the user names: a `.pt2` file, or a function of a Python file that builds the module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradlet.ir.errors import CompileError
from gradlet.ir.frontend import ImportRequest
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program


def load(request: ImportRequest, toolbox: Toolbox) -> Program:
    _check_options(request)
    path, _, function = request.source.partition(".py:")
    file = Path(path + ".py" if function else path)
    if not file.is_file():
        raise CompileError("GL101", f"{file} is no file", hint="paths are relative to the folder you are in")
    _check_installed()
    if file.suffix == ".py":
        from gradlet.frontends.pytorch.python_file import import_function

        return import_function(file, function, request, toolbox)
    return _import_exported_file(file, request, toolbox)


def _check_options(request: ImportRequest) -> None:
    for name in request.options:
        if name != "shape":
            raise CompileError("GL113", f"the pytorch frontend has no option {name!r}", hint="it has: shape")


def _check_installed() -> None:
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise CompileError("GL111", f"importing torch failed: {error}", hint="pip install 'gradlet[torch]'") from error


def _import_exported_file(file: Path, request: ImportRequest, toolbox: Toolbox) -> Program:
    from gradlet.frontends.pytorch.importer import import_exported

    return import_exported(_read(file), toolbox=toolbox, name=file.stem, batch=request.batch)


def _read(file: Path) -> Any:
    import torch

    from gradlet.frontends.pytorch.exporting import first_line, quietly

    try:
        with quietly():
            return torch.export.load(file)
    except OSError as error:
        hint = "check that it is a file, and yours to read"
        raise CompileError("GL101", f"{file} cannot be read: {error.strerror or error}", hint=hint) from error
    except Exception as error:
        what = f"{file} is no exported program of this PyTorch ({torch.__version__}): {first_line(error)}"
        raise CompileError("GL102", what, hint="write it with torch.export.save(torch.export.export(...))") from error
