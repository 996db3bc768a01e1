"""softplus and its gradient as tensor expressions."""

from gradlet.backends.tvm.expressions import pointwise, sigmoid
from gradlet.backends.tvm.package import te

KERNELS = {
    "softplus": pointwise(lambda attrs, x: te.max(x, 0.0) + te.log(1 + te.exp(-te.abs(x)))),
    "softplus_grad": pointwise(lambda attrs, g, x: g * sigmoid(x)),
}
