"""Update rules refuse options with which nothing would learn."""

import pytest

from gradlet.ir.errors import CompileError
from gradlet.ir.options import make, parse_calls
from gradlet.tests.small_models import TOOLS


@pytest.mark.parametrize(
    "rule",
    [
        "sgd{every=0}",
        "sgd{weight_decay=-0.1}",
        "sgd{weight_decay=nan}",
        "momentum{momentum=1}",
        "momentum{momentum=-0.5}",
        "adam{beta1=1}",
        "adam{beta2=1.5}",
        "adam{beta2=nan}",
    ],
)
def test_out_of_range(rule):
    with pytest.raises(CompileError, match="GL212"):
        make(TOOLS, "update_rules", parse_calls(rule)[0])
