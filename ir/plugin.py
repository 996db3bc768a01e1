"""One record tells what a plugin adds; a toolbox holds what all loaded plugins offer."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from typing import Any

from gradlet.ir.errors import CompileError
from gradlet.ir.op_def import OpDef, OpSet

API = 1
GROUP = "gradlet.plugins"


@dataclass(frozen=True)
class Plugin:
    """What a plugin adds. Values are `"module:NAME"`, imported at first use; importing has no side effects.

    Attributes:
        name: Shown in errors.
        api: The version of this record that the plugin was written for.
        ops: Each names an `OpDef` or a tuple of them.
        frontends: Name -> `Frontend`.
        passes: Name -> class of a pass.
        update_rules: Name -> class of an update rule.
        losses: Name -> loss function.
        backends: Name -> `Backend`.
        targets: Name -> `Target`.
        kernels: Backend -> modules whose `KERNELS` map op names to kernels of that backend.
        gradients: Op -> gradient rule, for an op that has none.
        converters: Frontend -> modules whose `CONVERTERS` map operators of that framework to functions; `int8` ->
            modules whose `RULES` map ops to the rules by which they are quantised.
    """

    name: str
    api: int = API
    ops: Sequence[str] = ()
    frontends: Mapping[str, str] = field(default_factory=dict)
    passes: Mapping[str, str] = field(default_factory=dict)
    update_rules: Mapping[str, str] = field(default_factory=dict)
    losses: Mapping[str, str] = field(default_factory=dict)
    backends: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[str, str] = field(default_factory=dict)
    kernels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    gradients: Mapping[str, str] = field(default_factory=dict)
    converters: Mapping[str, Sequence[str]] = field(default_factory=dict)


KINDS = ("frontends", "passes", "update_rules", "losses", "backends", "targets", "gradients")


def modules(package: str, *, packages: bool = False) -> list[str]:
    """The modules (or the packages) in a package, found by listing its folder; none if there is no such package."""
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        return []
    folders = spec.submodule_search_locations if spec else None
    return sorted(m.name for m in pkgutil.iter_modules(folders) if m.ispkg == packages) if folders else []


def builtin() -> Plugin:
    """What comes with the compiler: one file each, found by its place and its name."""

    def found(package: str, attribute: str, *, packages: bool = False) -> dict[str, str]:
        names = modules(f"gradlet.{package}", packages=packages)
        return {name: f"gradlet.{package}.{name}:{attribute}" for name in names}

    def parts(package: str, attribute: str) -> tuple[str, ...]:
        return tuple(found(package, attribute).values())

    frontends, backends = (found(p, a, packages=True) for p, a in (("frontends", "FRONTEND"), ("backends", "BACKEND")))
    return Plugin(
        name="gradlet",
        ops=parts("ir.ops", "OPS"),
        frontends=frontends,
        passes=found("optimizers.passes", "PASS") | found("autodiff.passes", "PASS"),
        update_rules=found("autodiff.update_rules", "RULE"),
        losses=found("autodiff.losses", "LOSS"),
        backends=backends,
        targets=found("targets", "TARGET"),
        kernels={b: parts(f"backends.{b}.kernels", "KERNELS") for b in backends},
        converters={f: parts(f"frontends.{f}.converters", "CONVERTERS") for f in frontends}
        | {"int8": parts("optimizers.quantization.rules", "RULES")},
    )


def resolve(location: str, owner: str) -> Any:
    """Imports `module:NAME`."""
    module, _, name = location.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise CompileError(
            "GL503", f"plugin {owner!r}: {location} cannot be loaded: {error}", hint="check the name, or install it"
        ) from error


class Toolbox:
    """Everything the loaded plugins offer. Built once by `load` and passed around; never a module global."""

    def __init__(self, plugins: Sequence[Plugin]):
        self.plugins = tuple(plugins)
        for plugin in plugins:
            if plugin.api != API:
                what = f"plugin {plugin.name!r} was made for plugin interface {plugin.api}, this is {API}"
                raise CompileError("GL502", what, hint="install a version of the plugin for this gradlet")
        self._owners = {kind: self._merge(kind) for kind in KINDS}
        self.ops = OpSet(list(self._load_ops()))
        self._tables: dict[tuple[str, str], dict[str, Any]] = {}

    def _merge(self, kind: str) -> dict[str, tuple[Plugin, str]]:
        owners: dict[str, tuple[Plugin, str]] = {}
        for plugin in self.plugins:
            for name, location in getattr(plugin, kind).items():
                _claim(owners, name, plugin, location, kind)
        return owners

    def _load_ops(self) -> Iterator[OpDef]:
        owners: dict[str, tuple[Plugin, str]] = {}
        for plugin in self.plugins:
            for location in plugin.ops:
                loaded = resolve(location, plugin.name)
                for op in loaded if isinstance(loaded, tuple) else (loaded,):
                    _claim(owners, op.name, plugin, location, "ops")
                    yield self._with_gradient(op)

    def _with_gradient(self, op: OpDef) -> OpDef:
        if op.name not in self._owners["gradients"]:
            return op
        plugin, location = self._owners["gradients"][op.name]
        if op.gradient is not None:
            what = f"the gradient of {op.name!r} exists; plugin {plugin.name!r} brings another"
            raise CompileError("GL501", what, hint="leave the plugin's away: the op's own is used")
        return replace(op, gradient=resolve(location, plugin.name))

    def names(self, kind: str) -> list[str]:
        """What is registered of a kind (`targets`, `passes`, ...)."""
        return sorted(self._owners[kind])

    def get(self, kind: str, name: str) -> Any:
        """The object registered as `name`; raises GL504 with what there is."""
        if name not in self._owners[kind]:
            known = ", ".join(self.names(kind))
            raise CompileError("GL504", f"{kind.replace('_', ' ')}: nothing is called {name!r}", hint=f"known: {known}")
        plugin, location = self._owners[kind][name]
        return resolve(location, plugin.name)

    def kernels(self, backend: str) -> Mapping[str, Any]:
        """Op name -> kernel of a backend."""
        return self._table("kernels", backend)

    def converters(self, frontend: str) -> Mapping[str, Any]:
        """Operator of the user's framework -> function that emits it; the frontend says what it is called with."""
        return self._table("converters", frontend)

    def _table(self, kind: str, of: str) -> Mapping[str, Any]:
        """What all plugins bring for one backend or frontend, merged."""
        if (kind, of) not in self._tables:
            owners: dict[str, tuple[Plugin, str]] = {}
            merged: dict[str, Any] = {}
            for plugin in self.plugins:
                for location in getattr(plugin, kind).get(of, ()):
                    for name, row in resolve(location, plugin.name).items():
                        _claim(owners, name, plugin, location, f"{of} {kind}")
                        merged[name] = row
            self._tables[kind, of] = merged
        return self._tables[kind, of]


def _claim(owners: dict[str, tuple[Plugin, str]], name: str, plugin: Plugin, location: str, kind: str) -> None:
    if name in owners:
        first = owners[name]
        what = f"{kind} {name!r} is owned by {first[0].name!r} ({first[1]}) and by {plugin.name!r} ({location})"
        raise CompileError("GL501", what, hint="load one of the two plugins only")
    owners[name] = (plugin, location)


def load(extra: Sequence[str] = (), *, installed: bool = True) -> Toolbox:
    """Loads the built-in plugin, those installed as entry points, and `extra` ones (`"package.module:NAME"`)."""
    plugins = [builtin()]
    if installed:
        plugins += [_load_entry_point(point.load, point.value) for point in entry_points(group=GROUP)]
    plugins += [_check(resolve(location, location), location) for location in extra]
    return Toolbox(plugins)


def _load_entry_point(load_it: Callable[[], Any], location: str) -> Plugin:
    try:
        return _check(load_it(), location)
    except (ImportError, AttributeError) as error:
        hint = "install what it needs, or uninstall it"
        raise CompileError("GL503", f"installed plugin {location} cannot be loaded: {error}", hint=hint) from error


def _check(plugin: Any, location: str) -> Plugin:
    if not isinstance(plugin, Plugin):
        what = f"{location} is {type(plugin).__name__}, not a Plugin record"
        raise CompileError("GL503", what, hint="name the record itself: package.module:PLUGIN")
    return plugin
