"""Writes covered.json: what the tests beside this file compare with TensorFlow's interpreter.

    python -m gradlet.tests.frontends.tflite.covered

Runs them, and notes the operators of all models that the interpreter computes, and their element types; for networks as
they are used, how many of each. Needs TensorFlow. The table in docs/tflite_models.md is made of it without.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from gradlet.frontends.tflite.model import Operator, parse
from gradlet.tests.frontends.tflite import written
from gradlet.tests.frontends.tflite.applications import APPLICATIONS, KINDS, application

COVERED = Path(__file__).with_name("covered.json")
_INDICES = {"INT32", "INT64", "BOOL"}


def counts(name: str) -> dict[str, dict[str, int]]:
    """Operators of a network of APPLICATIONS, for each kind."""
    return {
        kind: dict(sorted(Counter(op.name for op in parse(application(name)[kind]).operators).items()))
        for kind in KINDS
    }


def types_of(operator: Operator) -> set[str]:
    """Of what it computes with; those of indices and sizes only where there are no others."""
    ends = (*operator.inputs, operator.outputs[0])
    found = {
        tensor.type_name for tensor in ends if tensor and not (tensor.content is not None and tensor.dtype is None)
    }
    return {name.lower() for name in found - _INDICES or found}


def main() -> int:
    seen: defaultdict[str, set[str]] = defaultdict(set)
    interpreted = written.interpreted

    def note(data: bytes) -> None:
        for operator in parse(data).operators:
            seen[operator.name] |= types_of(operator)

    def noted(data: bytes, *args: object, **options: object) -> object:
        note(data)
        return interpreted(data, *args, **options)

    written.interpreted = noted
    # The networks take long, and are looked at below.
    ignored = f"--ignore={COVERED.with_name('applications_test.py')}"
    failed = pytest.main(["-q", "-p", "no:cacheprovider", ignored, *sys.argv[1:], str(COVERED.parent)])
    if not failed:
        for name in APPLICATIONS:
            for data in application(name).values():
                note(data)
        told = {
            "operators": {name: sorted(types) for name, types in sorted(seen.items())},
            "models": {name: counts(name) for name in APPLICATIONS},
        }
        COVERED.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return failed


if __name__ == "__main__":
    sys.exit(main())
