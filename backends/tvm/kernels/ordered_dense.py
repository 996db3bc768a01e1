"""ordered_dense and its gradients: every product and every partial sum rounded, in the order of the index."""

from __future__ import annotations

from collections.abc import Sequence

from gradlet.backends.tvm.exact import product
from gradlet.backends.tvm.expressions import result, total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te


def _dense(case: Case, x: Read, w: Read, *bias: Read) -> Sequence[Result]:
    inner = [case.shape(0)[1]]
    if not bias:
        return [result(case, lambda n, o: total(lambda k: product(x(n, k), w(o, k)), inner))]
    sums = te.compute(case.result.shape, lambda n, o: total(lambda k: product(x(n, k), w(o, k)), inner), name="summed")
    return [result(case, lambda n, o: sums(n, o) + bias[0](o))]


def _input_grad(case: Case, g: Read, w: Read) -> Sequence[Result]:
    return [result(case, lambda n, k: total(lambda o: product(g(n, o), w(o, k)), case.shape(0)[1:]))]


def _weight_grad(case: Case, g: Read, x: Read) -> Sequence[Result]:
    return [result(case, lambda o, k: total(lambda n: product(g(n, o), x(n, k)), case.shape(0)[:1]))]


def _bias_grad(case: Case, g: Read) -> Sequence[Result]:
    return [result(case, lambda o: total(lambda n: g(n, o), case.shape(0)[:1]))]


KERNELS = {
    "ordered_dense": Kernel(_dense),
    "ordered_dense_input_grad": Kernel(_input_grad),
    "ordered_dense_weight_grad": Kernel(_weight_grad),
    "ordered_dense_bias_grad": Kernel(_bias_grad),
}
