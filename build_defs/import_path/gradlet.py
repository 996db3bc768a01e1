"""Stands on the PYTHONPATH of child processes and becomes the package `gradlet` when imported."""

import runpy
from pathlib import Path

_ROOT = Path(__file__).absolute().parents[2]
runpy.run_path(str(_ROOT / "build_defs" / "launcher.py"))["enter"](str(_ROOT))
