"""Writes the files of a new op, its tests passing: y = x * x, to be changed into what the op is to be.

gradlet new_op softsign                  in a checkout of Gradlet: ir/ops/softsign.py and a kernel for each backend
gradlet new_op softsign --into my_pkg    in the package of a plugin; prints what its Plugin record has to say
"""

from __future__ import annotations

import argparse
import keyword
import os
from pathlib import Path
from string import Template

import gradlet
from gradlet.ir import files
from gradlet.ir.errors import CompileError
from gradlet.ir.plugin import load
from gradlet.tools.paths import user_path

HELP = "write the files of a new op"

_OP = '''"""$name(x) = x * x."""

from collections.abc import Sequence

from gradlet.ir.elementwise import floats_of_one_shape, slices
from gradlet.ir.graph import Node, Value
from gradlet.ir.op_def import Emit, Example, OpDef
from gradlet.ir.tensor_type import f32


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("mul", grads[0], emit("scale", node.inputs[0], factor=2.0))]


$NAME = OpDef(
    name="$name",
    infer=floats_of_one_shape(1),
    evaluate=lambda args, attrs: [args[0] * args[0]],
    gradient=_gradient,
    may_overwrite={0: (0,)},
    slices=slices,
    examples=[Example([f32(2, 3)]), Example([f32()])],
)

OPS = ($NAME,)
'''

_C_KERNEL = '''"""$name in C."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node


def _lower(node: Node) -> Call:
    return call("${name}_f32", node.outputs[0], node.inputs[0], node.outputs[0].type.size)


KERNELS = {"$name": Kernel(beside(__file__), _lower)}
'''

_C = """static void ${name}_f32(float *y, const float *x, int n) {
    for (int i = 0; i < n; i++)
        y[i] = x[i] * x[i];
}
"""

_TVM_KERNEL = '''"""$name as a tensor expression."""

from gradlet.backends.tvm.expressions import pointwise

KERNELS = {"$name": pointwise(lambda attrs, x: x * x)}
'''

# Path in a checkout, path in a plugin's package, content.
_FILES = (
    ("ir/ops/$name.py", "$name.py", _OP),
    ("backends/tinyengine/kernels/$name.py", "${name}_c.py", _C_KERNEL),
    ("backends/tinyengine/kernels/$name.c", "${name}_c.c", _C),
    ("backends/tvm/kernels/$name.py", "${name}_tvm.py", _TVM_KERNEL),
)

_RECORD = Template("""the Plugin record of $package says:
    ops=("$package.$name:OPS",),
    kernels={"tinyengine": ("$package.${name}_c:KERNELS",), "tvm": ("$package.${name}_tvm:KERNELS",)},""")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="of the op, as numpy or PyTorch calls it")
    parser.add_argument("--into", metavar="FOLDER", help="package of a plugin (the checkout of Gradlet)")


def main(args: argparse.Namespace) -> int:
    into = user_path(args.into) if args.into else None
    for path in write_op(args.name, into or checkout(), in_plugin=bool(into)):
        print(f"wrote {path}")
    if into:
        print(_RECORD.substitute(name=args.name, package=into.resolve().name))
        return 0
    print(f"tests: ./bazelw test //tests/ops/... --test_filter={args.name}   or: pytest tests/ops -k {args.name}")
    return 0


def write_op(name: str, root: Path, *, in_plugin: bool) -> list[Path]:
    """Writes the files; none if the name is no name, is taken, or a file exists.

    Raises:
        CompileError: GL420.
    """
    if not name.isidentifier() or name != name.lower() or keyword.iskeyword(name):
        raise CompileError("GL420", f"{name!r} is no name for an op", hint="write it like soft_sign")
    if name in load().ops:
        raise CompileError("GL420", f"there is an op {name!r} already", hint="choose another name")
    texts = {
        root / Template(path[in_plugin]).substitute(name=name): Template(path[2]).substitute(
            name=name, NAME=name.upper()
        )
        for path in _FILES
    }
    for path in texts:
        if path.exists():
            raise CompileError("GL420", f"{path} exists", hint="choose another name, or remove the file")
    for path, text in texts.items():
        files.write_bytes(path, text.encode())
    return list(texts)


def checkout() -> Path:
    """The checkout that Bazel was called in, or that this package is."""
    root = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", Path(str(gradlet.__file__)).parent))
    if not (root / "WORKSPACE").is_file():
        raise CompileError("GL420", f"{root} is no checkout of Gradlet", hint="use --into with the package of a plugin")
    return root
