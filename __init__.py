"""Gradlet compiles a model into a training program for a small device.

The names below are imported at first use: `import gradlet` itself loads nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradlet.ir.plugin import load as load_plugins
    from gradlet.tools.api import compile_module as compile
    from gradlet.tools.export import export
    from gradlet.tools.fine_tuning import train

__version__ = "0.1.0"
__all__ = ["__version__", "compile", "export", "load_plugins", "train"]

_LAZY = {
    "compile": ("gradlet.tools.api", "compile_module"),
    "export": ("gradlet.tools.export", "export"),
    "load_plugins": ("gradlet.ir.plugin", "load"),
    "train": ("gradlet.tools.fine_tuning", "train"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LAZY[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
