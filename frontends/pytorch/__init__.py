"""The PyTorch frontend: what `torch.export` captures becomes a program."""

import re

from gradlet.ir.frontend import Frontend, ImportRequest
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program


def _accepts(source: str) -> bool:
    return source.endswith((".pt2", ".py")) or re.search(r"\.py:\w+$", source) is not None


def _load(request: ImportRequest, toolbox: Toolbox) -> Program:
    from gradlet.frontends.pytorch.sources import load

    return load(request, toolbox)


FRONTEND = Frontend("pytorch", _accepts, _load)
