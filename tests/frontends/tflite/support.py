"""tflite-support, which tells what metadata are; there is a wheel for Python 3.11 alone."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from gradlet.tests.frontends.tflite.written import tensorflow

_REASON = "tflite-support, the witness of metadata, is not installed: pip install --no-deps tflite-support==0.4.4"


def supported(name: str) -> ModuleType:
    """A module of `tensorflow_lite_support.metadata.python`."""
    return _module(f"tensorflow_lite_support.metadata.python.{name}")


def metadata_schema() -> ModuleType:
    return _module("tensorflow_lite_support.metadata.metadata_schema_py_generated")


def _module(name: str) -> ModuleType:
    tensorflow()
    _load_libusb()
    pytest.importorskip("tensorflow_lite_support.metadata.metadata_schema_py_generated", reason=_REASON)
    return importlib.import_module(name)


def _load_libusb() -> None:
    """tflite-support is linked with libusb, which not every machine has; a package brings it."""
    found = importlib.util.find_spec("libusb_package")
    for folder in found.submodule_search_locations or () if found else ():
        for library in Path(folder).glob("libusb-1.0.so*"):
            ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
