"""Trains without repeating what is frozen: the front of a program runs once for each sample, and is remembered."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from gradlet.ir.backend import Arrays, Session
from gradlet.ir.graph import Graph
from gradlet.ir.passes import Context
from gradlet.ir.program import Program
from gradlet.optimizers.compilation import add_inference, replan
from gradlet.optimizers.frozen_prefix import split_at_first_trained
from gradlet.tools.api import Compiled, context_of
from gradlet.tools.evaluation import Progress, batch_size, input_name

_Sample = dict[str, np.ndarray]


def divided(program: Program, context: Context) -> tuple[Program, Program]:
    """(front, rest) of a finished training program, planned anew: the same nodes, the same numbers.

    The front is an inference whose outputs are inputs of the rest, by name; it has no nodes if the first layer learns.
    """
    parts = split_at_first_trained(program.graph)
    front, rest = Program(parts.frozen), Program(parts.learning)
    for part in (front, rest):
        if part.graph.nodes:
            replan(part, context)
    add_inference(rest, context)
    return front, rest


class RememberingSession:
    """A training program behind the interface of all sessions, its front replaced by what it has once given.

    Steps, states and predictions are those of a session of the whole, bit for bit. What is remembered are the values
    between front and rest, for each sample by its content: an image and its mirror image are two.
    """

    def __init__(self, compiled: Compiled):
        tools, target, backend = compiled.toolbox, compiled.target, compiled.backend
        self.front, self.rest = divided(compiled.program, context_of(tools, target, backend))
        self._front = backend.open(self.front, target, tools) if self.front.graph.nodes else None
        self._rest = backend.open(self.rest, target, tools)
        pairs = zip(compiled.program.graphs, self.rest.graphs, strict=True)
        self._step_names, self._infer_names = (_renamed(whole, rest) for whole, rest in pairs)
        self._remembered: dict[bytes, _Sample] = {}

    def infer(self, inputs: Arrays) -> dict[str, np.ndarray]:
        outputs = self._rest.infer(self._behind(inputs, self.rest.graphs[1]))
        return {self._infer_names[name]: array for name, array in outputs.items()}

    def train_step(self, inputs: Arrays) -> dict[str, np.ndarray]:
        outputs = self._rest.train_step(self._behind(inputs, self.rest.graph))
        return {self._step_names[name]: array for name, array in outputs.items()}

    def states(self) -> dict[str, np.ndarray]:
        fixed = {s.name: s.init.copy() for s in self.front.graph.states}
        return fixed | self._rest.states()

    def set_states(self, states: Arrays) -> None:
        self._rest.set_states(states)

    def close(self) -> None:
        for session in self._sessions():
            session.close()
        self._remembered.clear()

    def remember(self, samples: np.ndarray, progress: Progress = lambda count: None) -> None:
        """Runs the front for these samples, a whole batch of them at a time, if it has not seen them."""
        if not self._front:
            return
        name, size = input_name(self.front.graph), batch_size(self.front.graph)
        for start in range(0, len(samples), size):
            chunk = samples[start : start + size]
            self._features({name: np.concatenate([chunk, np.repeat(chunk[-1:], size - len(chunk), axis=0)])})
            progress(len(chunk))

    def _sessions(self) -> list[Session]:
        return [self._front, self._rest] if self._front else [self._rest]

    def _behind(self, inputs: Arrays, graph: Graph) -> dict[str, np.ndarray]:
        """The inputs of the rest."""
        found = dict(inputs)
        if self._front:
            found |= self._features({v.name: np.asarray(inputs[v.name]) for v in self.front.graph.inputs})
        return {v.name: found[v.name] for v in graph.inputs}

    def _features(self, batch: Arrays) -> _Sample:
        assert self._front
        keys = [_digest(batch, index) for index in range(len(next(iter(batch.values()))))]
        if not all(key in self._remembered for key in keys):
            found = self._front.infer(batch)
            self._remembered |= {key: {n: a[k].copy() for n, a in found.items()} for k, key in enumerate(keys)}
        samples = [self._remembered[key] for key in keys]
        return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}


def _digest(batch: Arrays, index: int) -> bytes:
    digest = blake2b(digest_size=16)
    for array in batch.values():
        digest.update(np.ascontiguousarray(array[index]).data)
    return digest.digest()


def _renamed(whole: Graph, rest: Graph) -> dict[str, str]:
    """Name of an output of the rest -> its name in the whole: values without names of their own have other numbers."""
    return {v.name: old.name for v, old in zip(rest.outputs, whole.outputs, strict=True)}
