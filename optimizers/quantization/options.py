"""What a user may choose about making a float model int8."""

from __future__ import annotations

from dataclasses import dataclass

from gradlet.ir.errors import CompileError
from gradlet.ir.options import Call

_CHOICES = {
    "weights": ("per_channel", "per_tensor"),
    "activations": ("asymmetric", "symmetric", "int16"),
    "head": ("auto", "int8", "float32"),
    "inputs": ("float32", "int8", "int16"),
}
_MINMAX, _NEAREST = Call("minmax"), Call("nearest")


@dataclass(frozen=True)
class QuantizeOptions:
    """As text, `int8{ranges=kl,weights=per_tensor,equalize=true}`.

    Attributes:
        ranges: How the range of an activation is chosen from what calibration saw.
        weights: One scale for each output channel (`per_channel`) or one for all (`per_tensor`); zero point 0 always.
        activations: `asymmetric`, or `symmetric`: zero point 0; or `int16`, symmetric, of twice the memory.
        equalize: Even out the ranges of neighbouring layers' channels before.
        correct_bias: Take the mean error that quantised weights make out of the biases.
        rounding: Of weights: nearest, or adaround.
        qat_steps: Of training with everything rounded, on the calibration samples, to give what the float model gives.
        qat_lr: Learning rate of the first of these steps (Adam); it falls linearly to 0.
        head: The last layer: `int8` or `float32`; `auto` is float32 where it is new (`--classes`), else int8.
        inputs: `float32`, quantised by the program itself, or as the activations are: `int8` or `int16`.
        samples: How many samples calibrate at most, in a seeded order; 0: all.
        mean: Of pixels / 255 (uint8 samples), one or one a channel, as `gradlet run --mean`.
        std: The same, as `--std`.
    """

    ranges: Call = _MINMAX
    weights: str = "per_channel"
    activations: str = "asymmetric"
    equalize: bool = False
    correct_bias: bool = False
    rounding: Call = _NEAREST
    qat_steps: int = 0
    qat_lr: float = 1e-4
    head: str = "auto"
    inputs: str = "float32"
    samples: int = 256
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @property
    def bits(self) -> int:
        """Of activations."""
        return 16 if self.activations == "int16" else 8

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise CompileError("GL212", f"{name}={getattr(self, name)}", hint=f"give {' or '.join(choices)}")
        if self.inputs not in ("float32", f"int{self.bits}"):
            what = f"inputs={self.inputs} for activations of {self.bits} bits"
            raise CompileError("GL212", what, hint=f"give inputs=int{self.bits}, or float32")
        if self.samples < 0:
            raise CompileError("GL212", f"calibration with {self.samples} samples", hint="give 0 or more")
        if self.qat_steps < 0 or self.qat_lr <= 0:
            what = f"qat_steps={self.qat_steps}, qat_lr={self.qat_lr}"
            raise CompileError("GL212", what, hint="give 0 steps or more, and a rate above 0")
        if self.qat_steps and (self.correct_bias or self.rounding != _NEAREST):
            what = "qat_steps with correct_bias or another rounding, which would undo what is learned"
            raise CompileError("GL212", what, hint="leave one of them out")
