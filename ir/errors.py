"""What the compiler tells its user when it cannot go on."""

from __future__ import annotations

from dataclasses import dataclass

# Code -> what went wrong. Codes are stable: never reused, never renumbered. docs/errors.md is made from this table.
# Ranges: 0xx IR and ops, 1xx frontends, 2xx autodiff and passes, 3xx backends and targets, 4xx tools, 5xx plugins.
CODES = {
    "GL001": "unknown op",
    "GL002": "an op does not accept its operands",
    "GL003": "a file is no program, or a damaged one",
    "GL004": "a program was written in a newer format",
    "GL005": "a program uses a newer version of an op",
    "GL006": "the weights of a program are missing, damaged, or another program's",
    "GL007": "a file cannot be read or written",
    "GL008": "a program is too large for one message",
    "GL009": "a printed graph does not parse",
    "GL101": "a model's file does not exist or cannot be read",
    "GL102": "a file is no exported PyTorch program, or a damaged one",
    "GL103": "the user's Python file fails",
    "GL104": "a function does not exist, or returns no module",
    "GL105": "a model has operators that are not supported",
    "GL106": "torch.export cannot capture a module",
    "GL107": "a shape is not fixed",
    "GL108": "an element type is not supported",
    "GL109": "a module returns no tensor",
    "GL110": "the batch size of an exported program cannot be changed",
    "GL111": "PyTorch is not installed",
    "GL112": "a sample input is missing, or the module does not accept it",
    "GL113": "a frontend does not have an option, or not this value of it",
    "GL114": "a file is no checkpoint, or a damaged one",
    "GL115": "a checkpoint asks for more than numbers and arrays",
    "GL116": "the network of a checkpoint does not fit together",
    "GL117": "a file is no TFLite model, or a damaged one",
    "GL118": "a TFLite model does not fit together",
    "GL119": "what was learnt cannot be written into a TFLite model",
    "GL201": "an op on a path to be trained has no gradient",
    "GL202": "nothing is trainable",
    "GL203": "a loss does not accept the prediction",
    "GL204": "an update rule is not for a parameter of this kind",
    "GL210": "a pipeline, or a name with options, does not parse",
    "GL211": "an unknown option, or one with a value of a wrong type",
    "GL212": "an option is out of range",
    "GL213": "a pass to stop after or to skip is not in the pipeline",
    "GL214": "a pass comes at the wrong place of the pipeline",
    "GL220": "a scheme is unknown, or its file cannot be read",
    "GL221": "a scheme has a wrong field or value",
    "GL222": "a scheme is about a layer that the model does not have",
    "GL223": "the head of a model cannot be replaced",
    "GL230": "a program does not fit the memory of its target",
    "GL240": "an activation is no number for the calibration data",
    "GL241": "an activation has no range in the calibration data",
    "GL242": "a model cannot become int8",
    "GL301": "an array given to a program has an unknown name, a wrong shape or a wrong element type",
    "GL310": "a backend has no kernel for an op",
    "GL311": "no kernel of an op takes these operands on this target",
    "GL312": "two kernel files define a name differently",
    "GL320": "a backend does not build for a target",
    "GL330": "this machine has no C compiler",
    "GL340": "the firmware does not fit into the memories of the device",
    "GL341": "the C compiler or linker does not accept the firmware",
    "GL342": "the emulated device did what the real one would not do",
    "GL343": "the stack of the emulated device overflowed",
    "GL344": "the emulated device did not end in time",
    "GL345": "a tool that builds or emulates firmware is missing",
    "GL346": "the target is no microcontroller that firmware can be built for",
    "GL347": "the process of the emulator ended",
    "GL401": "a number of bytes is malformed",
    "GL402": "a source is no model that any frontend reads",
    "GL403": "an option is not available in this combination",
    "GL404": "the emulated device and the reference disagree",
    "GL410": "a data set cannot be read",
    "GL411": "a data set does not fit the program",
    "GL412": "a program that does not train was asked to",
    "GL413": "training diverged",
    "GL414": "the checkpoint of a training cannot be read",
    "GL415": "a checkpoint is that of another training",
    "GL416": "a package that images or curves need is not installed",
    "GL420": "a new op cannot be written",
    "GL430": "calibration data are missing, or cannot be used",
    "GL501": "a name is owned by two plugins",
    "GL502": "a plugin was made for another version of the plugin interface",
    "GL503": "a plugin cannot be loaded",
    "GL504": "nothing of this name is registered",
}


@dataclass
class CompileError(Exception):
    """A mistake in the model, the options or the budget: something its user can mend.

    A bug of the compiler itself is an `AssertionError`, never this.

    Attributes:
        code: Stable identifier, a key of `CODES`, documented in docs/errors.md.
        what: One sentence: the rule, and the values that break it.
        where: Place in the user's model, e.g. `features.3.conv`; empty when there is none.
        hint: What to try next.
    """

    code: str
    what: str
    where: str = ""
    hint: str = ""

    def __post_init__(self) -> None:
        assert self.code in CODES, f"{self.code} is not in gradlet.ir.errors.CODES"

    def __str__(self) -> str:
        lines = [f"error[{self.code}]: {self.what}"]
        if self.where:
            lines.append(f"  --> {self.where}")
        if self.hint:
            lines.append(f"  = help: {self.hint}")
        return "\n".join(lines)
