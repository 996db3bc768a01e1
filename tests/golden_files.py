"""Golden files: text that changes on purpose only; `pytest --regenerate` writes them anew."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

# Set by the option --regenerate; see build_defs/pytest_plugin.py.
REGENERATE = "GRADLET_REGENERATE"
FOLDER = Path(__file__).parent / "golden"


def check_golden(name: str, text: str) -> None:
    """Compares text with the file tests/golden/<name>, or writes that file."""
    path = FOLDER / name
    if os.environ.get(REGENERATE):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    golden = path.read_text(encoding="utf-8") if path.exists() else ""
    changed = difflib.unified_diff(golden.splitlines(), text.splitlines(), f"tests/golden/{name}", "now", lineterm="")
    assert golden == text, "\n".join([*changed, "Wanted? pytest --regenerate"])
