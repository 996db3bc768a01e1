"""An imported checkpoint learns in int8; its constant channels stay as they are, whatever the gradients."""

import numpy as np
import pytest

from gradlet.tests.small_checkpoint import DEAD, RESOLUTION, checkpoint, pickled, zipped
from gradlet.tools.api import compile_module

STEPS = 5


@pytest.mark.parametrize("rounding", ["float", "single_rounding"])
def test_constant_channels_never_learn(tmp_path, rounding):
    path = tmp_path / "net.pkl"
    path.write_bytes(zipped(pickled(checkpoint())))
    compiled = compile_module(path, classes=3, backend="reference", import_options={"rounding": rounding})
    session, rng = compiled.open(), np.random.default_rng(0)
    before = session.states()
    for step in range(STEPS):
        image = rng.integers(-128, 128, (1, RESOLUTION, RESOLUTION, 3)).astype(np.int8)
        session.train_step({"image": image, "label": np.array([step % 3], np.int32), "lr": np.float32(0.01)})
    after, constant = session.states(), 0
    for state in compiled.program.graph.states:
        quant = state.value.type.quant
        if quant is None or quant.axis is None:
            continue
        dead = np.array(quant.scale) == 0
        changed = np.moveaxis(before[state.name] != after[state.name], quant.axis, 0).reshape(len(dead), -1).any(axis=1)
        assert changed.any(), f"{state.name} does not learn"
        assert not changed[dead].any(), state.name
        constant += int(dead.sum())
    assert constant == 2 * len(DEAD), "a weight and a bias each"
