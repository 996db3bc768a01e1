"""What was learnt, saved and loaded: nothing damaged or foreign gets in."""

import numpy as np
import pytest

from gradlet.backends.tinyengine.host.session import HostSession, open_host
from gradlet.tests.backends.tinyengine.programs import HOST, TOOLBOX, batch, mlp

OK, WRONG_SIZE, NOT_SAVED, OTHER_VERSION, OTHER_MODEL, DAMAGED = 0, 3, 4, 5, 6, 7


@pytest.fixture
def session():
    opened = open_host(mlp(), HOST, TOOLBOX)
    opened.train_step(batch())
    yield opened
    opened.close()


def test_saved_state_comes_back(session: HostSession):
    saved, learnt = session.save(), session.states()
    session.train_step(batch(1))
    assert not np.array_equal(session.states()["head.weight"], learnt["head.weight"])
    assert session.load(saved) == OK
    assert all(np.array_equal(array, learnt[name]) for name, array in session.states().items())


def test_saved_state_is_small(session: HostSession):
    assert len(session.save()) == session.model.state_bytes + 20


def test_same_model_compiled_again_accepts_it(session: HostSession):
    other = open_host(mlp(name="renamed"), HOST, TOOLBOX)
    assert other.load(session.save()) == OK
    assert np.array_equal(other.states()["head.weight"], session.states()["head.weight"])


def test_every_damaged_byte_is_refused(session: HostSession):
    saved, learnt = session.save(), session.states()["head.weight"]
    session.train_step(batch(1))
    before = session.states()["head.weight"]
    assert not np.array_equal(before, learnt)
    for index in range(len(saved)):
        for change in (0x01, 0x80, 0xFF):
            damaged = saved[:index] + bytes([saved[index] ^ change]) + saved[index + 1 :]
            assert session.load(damaged) in (NOT_SAVED, OTHER_VERSION, OTHER_MODEL, DAMAGED), index
            assert np.array_equal(session.states()["head.weight"], before), index
    assert session.load(saved) == OK


def test_every_truncation_is_refused(session: HostSession):
    saved = session.save()
    session.train_step(batch(1))
    before = session.states()["head.weight"]
    for length in [*range(len(saved)), len(saved) + 1]:
        assert session.load((saved + b"\0")[:length]) == WRONG_SIZE
    assert np.array_equal(session.states()["head.weight"], before)


def test_what_is_wrong_is_told(session: HostSession):
    saved = session.save()
    assert session.load(b"\0" * len(saved)) == NOT_SAVED
    assert session.load(saved[:4] + b"\2" + saved[5:]) == OTHER_VERSION
    assert session.load(saved[:8] + b"12345678" + saved[16:]) == OTHER_MODEL
    assert session.load(saved[:-1] + bytes([saved[-1] ^ 1])) == DAMAGED


@pytest.mark.parametrize(
    "foreign",
    [mlp(seed=1), mlp(state_names=("body.weight", "body.bias", "tail.weight"))],
    ids=["other frozen weights", "other states"],
)
def test_foreign_state_is_refused(session: HostSession, foreign):
    assert session.load(open_host(foreign, HOST, TOOLBOX).save()) == OTHER_MODEL
