"""TVM compiles for this computer, and the pinned ffi writes JSON."""

import numpy as np
import tvm
from tvm import te


def test_compile_and_run():
    a = te.placeholder((4,), name="a")
    b = te.compute((4,), lambda i: a[i] + 1.0, name="b")
    library = tvm.compile(te.create_prim_func([a, b]), target={"kind": "llvm"})
    x, y = tvm.runtime.tensor(np.arange(4, dtype="float32")), tvm.runtime.tensor(np.zeros(4, "float32"))
    library["main"](x, y)
    assert y.numpy().tolist() == [1, 2, 3, 4]


def test_json_of_the_pinned_ffi():
    # apache-tvm-ffi 0.1.15 crashes here.
    value = tvm.runtime.convert([1, 2])
    assert list(tvm.ir.load_json(tvm.ir.save_json(value))) == [1, 2]
