"""The frameworks share a process in whatever order they are imported: equivalence tests need that."""

import itertools
import subprocess
import sys

import pytest

USE = {
    "torch": """
import torch
assert torch.nn.functional.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3)).item() == 9
""",
    "tvm": """
import numpy as np, tvm
a = tvm.te.placeholder((4,))
b = tvm.te.compute((4,), lambda i: a[i] + 1.0)
add = tvm.compile(tvm.te.create_prim_func([a, b]), target={"kind": "llvm"})
x, y = tvm.runtime.tensor(np.ones(4, "float32")), tvm.runtime.tensor(np.zeros(4, "float32"))
add["main"](x, y)
assert y.numpy().tolist() == [2] * 4
""",
    "ortools": """
from ortools.sat.python import cp_model
model = cp_model.CpModel()
count = model.new_int_var(0, 9, "count")
model.maximize(count)
solver = cp_model.CpSolver()
solver.solve(model)
assert solver.value(count) == 9
""",
    "sklearn": """
import sklearn.datasets
assert sklearn.datasets.load_digits().images.shape == (1797, 8, 8)
""",
}


@pytest.mark.parametrize("order", list(itertools.permutations(["torch", "tvm", "ortools"])), ids="-".join)
def test_import_order(order):
    imports = "; ".join(f"import {name}" for name in order)
    program = "\n".join([imports, *(USE[name] for name in (*order, "sklearn", *order))])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
