"""All examples of an op in one graph, to be run on any backend and compared with numpy."""

import numpy as np

from gradlet.ir.backend import Session
from gradlet.ir.graph import Graph, Value
from gradlet.ir.op_def import OpDef
from gradlet.ir.verifier import verify
from gradlet.tests.ops.cases import TOOLBOX, Case, add_case

RELATIVE, ABSOLUTE = 1e-5, 1e-6


class Bench:
    """All examples of an op in one graph, each several times: with all its operands kept, and with one dying."""

    def __init__(self, op: OpDef):
        self.graph = Graph(f"all_{op.name}")
        self.inputs: dict[str, np.ndarray] = {}
        self.expected: list[tuple[str, Value, np.ndarray]] = []
        for number in range(len(op.examples)):
            for dying in [None, *op.may_overwrite.get(0, ())]:
                self._add(Case(op, number), dying)
        verify(self.graph, TOOLBOX.ops)

    def _add(self, case: Case, dying: int | None) -> None:
        if dying is not None and dying >= len(case.example.types):
            return
        prefix, arguments = f"e{case.number}_{'' if dying is None else dying}_", case.arguments()
        inputs, outputs = add_case(self.graph, case, prefix)
        named = dict(zip(inputs, arguments, strict=True))
        self.inputs |= {v.name: a for v, a in named.items() if not self.graph.state_of(v)}
        results = case.op.evaluate(arguments, case.example.attrs)
        self._expect(f"{case}, {dying=}", dict(zip(outputs, results, strict=True)))
        kept = {v: a for i, (v, a) in enumerate(named.items()) if i != dying and not self.graph.state_of(v)}
        self._expect(f"{case}, {dying=}: operand", kept)

    def _expect(self, what: str, contents: dict[Value, np.ndarray]) -> None:
        self.graph.outputs += list(contents)
        self.expected += [(what, value, np.asarray(array)) for value, array in contents.items()]

    def run(self, session: Session) -> None:
        found = session.infer(self.inputs)
        for what, value, expected in self.expected:
            assert_equal(found[value.name], expected, f"{what} {value}")
        states = session.states()
        for state in self.graph.states:
            after = next(array for _, v, array in self.expected if v.overwrites is state.value)
            assert_equal(states[state.name], after, f"state {state.name}")


def assert_equal(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype), what
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=RELATIVE, atol=ABSOLUTE, err_msg=what)
    else:
        np.testing.assert_array_equal(found, expected, err_msg=what)
