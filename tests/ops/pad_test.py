"""pad refuses amounts that do not belong to its operand."""

import pytest

from gradlet.ir.ops.pad import PAD
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
