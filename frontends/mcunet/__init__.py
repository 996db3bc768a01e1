"""The frontend of MCUNet checkpoints: pretrained int8 networks in a .pkl file become programs, without PyTorch."""

from gradlet.ir.frontend import Frontend, ImportRequest
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program


def _load(request: ImportRequest, toolbox: Toolbox) -> Program:
    from gradlet.frontends.mcunet.importer import load

    return load(request, toolbox)


FRONTEND = Frontend(
    "mcunet", lambda source: source.endswith(".pkl"), _load, options=("resolution", "classes", "seed", "rounding")
)
