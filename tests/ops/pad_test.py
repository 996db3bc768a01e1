"""pad refuses amounts that do not belong to its operand."""

import pytest

from gradlet.ir.ops.pad import PAD
from gradlet.ir.quantized_samples import i8
from gradlet.ir.tensor_type import f32


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"before": (1,), "after": (0, 0)}, "before is .1,., not 2 integers of at least 0"),
        ({"before": (0, 0), "after": (0, -1)}, "after is .0, -1., not 2 integers of at least 0"),
        ({"before": (0, 0)}, "after is None, not 2 integers of at least 0"),
    ],
)
def test_refuses(attrs, message):
    with pytest.raises(ValueError, match=message):
        PAD.infer([f32(2, 3)], attrs)


@pytest.mark.parametrize("value", [0.5, 128.0, float("nan")])
def test_refuses_values_that_int8_does_not_have(value):
    with pytest.raises(ValueError, match="has no element"):
        PAD.infer([i8(2, 3)], {"before": (1, 1), "after": (0, 0), "value": value})
