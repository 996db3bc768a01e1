"""Plain `pytest` in a checkout sees the same package `gradlet` as Bazel does."""

import runpy
from pathlib import Path

_ROOT = str(Path(__file__).parent)
_LAUNCHER = runpy.run_path(_ROOT + "/build_defs/launcher.py")
_LAUNCHER["enter"](_ROOT)
_LAUNCHER["share_with_children"](_ROOT)

pytest_plugins = ["gradlet.build_defs.pytest_plugin"]
