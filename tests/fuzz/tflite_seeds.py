"""Writes tests/frontends/tflite/operators.zip: small models of one operator each, as TensorFlow converts them.

    python -m gradlet.tests.fuzz.tflite_seeds

Needs TensorFlow; the tests and the fuzzer that read them do not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from gradlet.frontends.tflite.model import parse
from gradlet.tests.frontends.tflite.applications import APPLICATIONS, KINDS, application
from gradlet.tests.frontends.tflite.operator_models import OPERATORS, of_one_operator, packed

_MOST_BYTES = 3000


def operators() -> dict[str, bytes]:
    """The smallest model for each operator, its options and element types."""
    found: dict[str, tuple[str, bytes]] = {}
    for name, data in _candidates():
        (operator,) = parse(data).operators
        types = [(t.type_name, len(t.shape), t.content is not None) if t else None for t in operator.inputs]
        told = repr((operator.name, dict(operator.options), types, [t.type_name for t in operator.outputs]))
        if told not in found or len(data) < len(found[told][1]):
            found[told] = (name, data)
    return dict(sorted(found.values()))


def _candidates() -> Iterator[tuple[str, bytes]]:
    for name in APPLICATIONS:
        for kind in KINDS:
            for data in of_one_operator(application(name)[kind]):
                if len(data) <= _MOST_BYTES:
                    digest = hashlib.sha256(data).hexdigest()[:6]
                    yield f"{parse(data).operators[0].name.lower()}_{kind}_{digest}.tflite", data


if __name__ == "__main__":
    OPERATORS.write_bytes(packed(operators()))
