"""Sparse update schemes as data: which layers learn, and how much of their weights. From a name or a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from gradlet.ir.errors import CompileError
from gradlet.ir.options import Call, build
from gradlet.optimizers.published_schemes import Published, published, published_names

CRITERIA = ("magnitude+", "magnitude-", "random")


@dataclass(frozen=True)
class Update:
    """What learns of some layers, which are named by index, by pattern, or as the last ones; by none of it: of all.

    Attributes:
        layers: Counted from the input, the head not included.
        pattern: Shell pattern for the place of a layer, or for the name of its weight.
        last: How many layers before the head.
        weight: Part of the input channels that learns, 0 to 1.
        bias: Whether the bias learns.
        criterion: Overrules that of the scheme.
    """

    layers: tuple[int, ...] = ()
    pattern: str = ""
    last: int = 0
    weight: float = 0.0
    bias: bool = False
    criterion: str = ""


@dataclass(frozen=True)
class Scheme:
    """What learns of a model; later updates overrule earlier ones.

    Attributes:
        updates: What learns besides the head.
        head: Whether the layer that makes the predictions learns, all of it.
        criterion: How input channels are chosen: by the largest weights, the smallest, or at random.
        seed: Of the random choice.
    """

    updates: tuple[Update, ...] = ()
    head: bool = True
    criterion: str = CRITERIA[0]
    seed: int = 0


FULL = "full"
PRESETS: Mapping[str, Scheme] = {
    FULL: Scheme((Update(weight=1.0, bias=True),)),
    "bias_only": Scheme((Update(bias=True),)),
    "head_only": Scheme(),
}
_LAST = re.compile(r"(?P<bias>bias_)?last_(?P<count>[1-9]\d*)")


@dataclass(frozen=True)
class SchemeOptions:
    """What may be written behind the name of a scheme, `last_4{ratio=0.25}`; None and "" leave it as it is.

    Attributes:
        ratio: Scales the part of every weight that learns.
        criterion: How input channels are chosen.
        seed: Of the random choice.
        head: Whether the head learns.
    """

    ratio: float = 1.0
    criterion: str = ""
    seed: int | None = None
    head: bool | None = None


def find_scheme(call: Call, program: str = "") -> Scheme | None:
    """The scheme of a name or of a file (.yaml, .textproto); None: whatever is trainable in the model learns.

    Args:
        call: Name and options.
        program: Name of what is compiled: published schemes have short names for programs named after their models.

    Raises:
        CompileError: GL220 for an unknown name or a file that cannot be read, GL221 for a wrong field or value,
            GL211 for a wrong option.
    """
    options: SchemeOptions = build(SchemeOptions, call)
    if not 0 < options.ratio <= 1:
        raise CompileError("GL221", f"ratio is {options.ratio}", call.name, "give a number above 0, up to 1")
    if call.name == FULL and options == SchemeOptions():
        return None
    scheme = _named(call.name, program)
    updates = [
        replace(u, weight=u.weight * options.ratio, criterion=options.criterion or u.criterion or scheme.criterion)
        for u in scheme.updates
    ]
    seed = scheme.seed if options.seed is None else options.seed
    head = scheme.head if options.head is None else options.head
    return checked(replace(scheme, updates=tuple(updates), seed=seed, head=head), call.name)


def _named(name: str, program: str) -> Scheme:
    if name in PRESETS:
        return PRESETS[name]
    last = _LAST.fullmatch(name)
    if last:
        return Scheme((Update(last=int(last["count"]), weight=0.0 if last["bias"] else 1.0, bias=True),))
    found = published(name, program)
    if found:
        return _of_paper(found)
    if Path(name).suffix in (".yaml", ".yml", ".textproto"):
        return read_scheme(Path(name))
    known = ", ".join([*PRESETS, "last_N", "bias_last_N", *published_names(program)])
    hint = f"known: {known}; or the path of a .yaml or .textproto file"
    raise CompileError("GL220", f"no scheme is called {name!r}", hint=hint)


def _of_paper(found: Published) -> Scheme:
    """Convolutions of which weights learn are among the last ones, whose biases do."""
    parts = [Update(layers=(index,), weight=ratio, bias=True) for index, ratio in found.weights.items()]
    return Scheme((Update(last=found.biases, bias=True), *parts))


def read_scheme(path: Path) -> Scheme:
    try:
        text = path.read_text(encoding="utf-8")
        data = _from_textproto(text) if path.suffix == ".textproto" else _from_yaml(text)
    except (OSError, ValueError) as error:
        raise CompileError("GL220", f"scheme {path} cannot be read: {error}", hint="check the file") from error
    if not isinstance(data, dict):
        raise CompileError("GL220", f"scheme {path} is {type(data).__name__}, not fields", hint=_listed(Scheme))
    scheme = _filled(Scheme, data, str(path))
    updates = tuple(_filled(Update, u, f"{path}: updates[{i}]") for i, u in enumerate(scheme.updates))
    return checked(replace(scheme, updates=updates), str(path))


def _from_yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _from_textproto(text: str) -> Any:
    from gradlet.ir.serialize import scheme_fields

    return scheme_fields(text)


def _filled(cls: Any, data: Any, place: str) -> Any:
    """The dataclass with its fields from a dict; every value has the type of the default."""
    if not isinstance(data, dict):
        raise CompileError("GL221", f"{data!r} are no fields", place, _listed(cls))
    defaults = {f.name: f.default for f in fields(cls)}
    values = {}
    for key, value in data.items():
        if key not in defaults:
            near = get_close_matches(str(key), defaults, 1)
            hint = (f"did you mean {near[0]}? " if near else "") + _listed(cls)
            raise CompileError("GL221", f"there is no field {key!r}", place, hint)
        values[key] = _typed(value, defaults[key], f"{place}: {key}")
    return cls(**values)


def _typed(value: Any, default: Any, place: str) -> Any:
    wanted = type(default)
    if wanted is tuple and isinstance(value, list):
        return tuple(value)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not wanted:
        raise CompileError("GL221", f"{value!r} is no {wanted.__name__}", place, "correct the value")
    return value


def _listed(cls: Any) -> str:
    return f"fields: {', '.join(f.name for f in fields(cls))}"


def checked(scheme: Scheme, place: str) -> Scheme:
    """The scheme; raises GL221 for what no model could have."""
    for i, update in enumerate(scheme.updates):
        here = f"{place}: updates[{i}]" if place else f"updates[{i}]"
        if not 0 <= update.weight <= 1:
            raise CompileError("GL221", f"weight is {update.weight}", here, "give a ratio from 0 to 1")
        if sum(map(bool, (update.layers, update.pattern, update.last))) > 1:
            what = "layers are named in more than one way"
            raise CompileError("GL221", what, here, "use one of layers, pattern and last")
        if any(not isinstance(k, int) for k in update.layers):
            raise CompileError("GL221", f"{list(update.layers)} are no indices", here, "count layers from 0")
    for criterion in [scheme.criterion, *(u.criterion for u in scheme.updates if u.criterion)]:
        if criterion not in CRITERIA:
            hint = f"known: {', '.join(CRITERIA)}"
            raise CompileError("GL221", f"no criterion is called {criterion!r}", place, hint)
    return scheme
