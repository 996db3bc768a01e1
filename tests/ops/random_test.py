"""The random words behind dropout: fixed for ever, the same everywhere, and random enough."""

import numpy as np

from gradlet.ir.random_bits import mix, random_bits, threshold
from gradlet.tests.ops.cases import TOOLBOX

DROPOUT = TOOLBOX.ops["dropout"]


def dropped(rate: float, seed: int, counter: int, count: int = 100_000) -> tuple[np.ndarray, np.ndarray, int]:
    y, kept, following = DROPOUT.evaluate(
        [np.ones(count, np.float32), np.array(counter, np.int32)], {"rate": rate, "seed": seed}
    )
    return y, kept, int(following)


def test_words_never_change():
    # Written down when the generator was; programs compiled and checkpoints saved since rely on them.
    words = [0x643EBF29, 0xEF46244C, 0xA287EC00, 0x4C183685]
    assert random_bits(seed=1, counter=2, count=4).tolist() == words


def test_mix_is_a_bijection():
    words = np.concatenate([np.arange(2**16, dtype=np.uint32), np.arange(2**16, dtype=np.uint32) << np.uint32(16)])
    assert len(np.unique(mix(words))) == len(np.unique(words))


def test_rate_is_kept():
    for rate in (0.1, 0.5, 0.9):
        y, kept, _ = dropped(rate, seed=3, counter=0)
        assert abs(kept.mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / kept.size)
        assert abs(y.mean() - 1) < 0.05


def test_every_bit_is_fair():
    bits = random_bits(seed=0, counter=0, count=2**16)
    ones = [int(((bits >> np.uint32(k)) & np.uint32(1)).sum()) for k in range(32)]
    assert all(abs(n - 2**15) < 5 * np.sqrt(2**14) for n in ones)


def test_neighbours_counters_and_seeds_are_independent():
    base = dropped(0.5, seed=0, counter=0)[1]
    others = {
        "next counter": dropped(0.5, 0, 1)[1],
        "next seed": dropped(0.5, 1, 0)[1],
        "next element": np.roll(base, 1),
        "element far on": np.roll(base, 64),
    }
    for name, other in others.items():
        agreement = (base == other).mean()
        assert abs(agreement - 0.5) < 5 * 0.5 / np.sqrt(base.size), name


def test_counter_counts_on_and_wraps():
    assert dropped(0.5, 0, 41, 3)[2] == 42
    assert dropped(0.5, 0, 2**31 - 1, 3)[2] == -(2**31)


def test_threshold_is_exact():
    assert threshold(0.0) == 0
    assert threshold(0.5) == 2**31
    assert threshold(1 - 2**-40) == 2**32 - 1


def test_dropout_vanishes_from_inference():
    from gradlet.ir.graph import Graph, Role
    from gradlet.ir.op_def import Emit
    from gradlet.ir.tensor_type import f32, i32

    graph = Graph("dropout")
    x = graph.add_input("x", f32(3))
    counter = graph.add_state("counter", np.zeros((), np.int32), i32(), Role.COUNTER)
    emit = Emit(TOOLBOX.ops, graph)
    node = emit.node("dropout", x, counter, rate=0.5, seed=0)
    assert DROPOUT.inference is not None
    assert DROPOUT.inference(emit, node) == [x, None, None]
    assert graph.nodes == [node]
