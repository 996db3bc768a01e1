"""What users get wrong about programs, models, and what is to learn: one function a code."""

import math
import os
import sys

import numpy as np

from gradlet.frontends.pytorch import FRONTEND
from gradlet.ir import files, serialize
from gradlet.ir.frontend import ImportRequest
from gradlet.ir.graph import Graph
from gradlet.ir.op_def import Emit
from gradlet.ir.parser import parse_graph
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import f32
from gradlet.proto import training_ir_pb2 as pb
from gradlet.tests.errors.user import User
from gradlet.tests.int8_models import inverted_residuals
from gradlet.tests.small_checkpoint import checkpoint
from gradlet.tests.small_models import TOOLS, mlp
from gradlet.tests.small_tflite import flatbuffer, small_model, small_tflite


def gl001(user: User) -> None:
    """A program needs a plugin that is not loaded."""
    user.doubles()
    user.types("show", "net.gradlet")


def gl002(user: User) -> None:
    """A frontend of one's own multiplies what does not fit."""
    graph = Graph("mine")
    emit = Emit(TOOLS.ops, graph, loc="body.0")
    emit("matmul", graph.add_input("a", f32(2, 3)), graph.add_input("b", f32(4, 5)))


def gl003(user: User) -> None:
    user.writes("net.gradlet", "this is a letter")
    user.types("show", "net.gradlet")


def _changed(user: User, change) -> None:
    path = user.has_program()
    message = pb.Program.FromString(path.read_bytes())
    message.producer = "gradlet 9.0"
    change(message)
    path.write_bytes(message.SerializeToString())
    user.types("show", "net.gradlet")


def gl004(user: User) -> None:
    """A program comes from a colleague who is further on."""

    def change(message: pb.Program) -> None:
        message.ir_version = 7

    _changed(user, change)


def gl005(user: User) -> None:
    def change(message: pb.Program) -> None:
        message.op_versions["dense"] = 2

    _changed(user, change)


def gl006(user: User) -> None:
    """A program is copied without the weights beside it."""
    user.has_program(inline_bytes=0)
    (user.folder / "net.gradlet.safetensors").unlink()
    user.types("show", "net.gradlet")


def gl007(user: User) -> None:
    user.types("show", "nte.gradlet")


def gl008(user: User) -> None:
    program = Program(mlp(4, 8, 3))
    program.graph.states[0].init = np.broadcast_to(np.float32(0), (1 << 29, 1))
    serialize.to_bytes(program, TOOLS.ops)


def gl009(user: User) -> None:
    parse_graph(
        "step net(%x: Tensor[(4), float32]) {\n  %0 = relu(%x: Tensor[(4), float32]\n  return %0\n}\n", TOOLS.ops
    )


def gl101(user: User) -> None:
    user.types("compile", "nte.pt2")


def gl102(user: User) -> None:
    """A checkpoint of torch.save is no exported program."""
    user.writes("net.pt2", "weights")
    user.types("compile", "net.pt2")


def gl103(user: User) -> None:
    user.compiles("broken")


def gl104(user: User) -> None:
    user.compiles("nett")


def gl105(user: User) -> None:
    user.compiles("strange")


def gl106(user: User) -> None:
    user.compiles("undecided")


def _exported(user: User, module, *samples, **options) -> str:
    import torch

    path = user.folder / "net.pt2"
    torch.export.save(torch.export.export(module, samples, **options), path)
    return str(path)


def gl107(user: User) -> None:
    import torch

    width = ({3: torch.export.Dim("w", min=6, max=64)},)
    _exported(user, torch.nn.Conv2d(3, 4, 3), torch.zeros(2, 3, 6, 8), dynamic_shapes=width)
    user.types("compile", "net.pt2")


def gl108(user: User) -> None:
    user.compiles("double")


def gl109(user: User) -> None:
    user.compiles("silent")


def gl110(user: User) -> None:
    import torch

    class Mixing(torch.nn.Module):
        def forward(self, x):
            return x.reshape(x.shape[0] * 2, 3)

    _exported(user, Mixing(), torch.zeros(2, 6))
    user.types("compile", "net.pt2", "--batch", "3")


def gl111(user: User) -> None:
    user.patch.setitem(sys.modules, "torch", None)
    user.compiles("net")


def gl112(user: User) -> None:
    user.compiles("misfit")


def gl113(user: User) -> None:
    user.writes("net.pt2", "")
    FRONTEND.load(ImportRequest(str(user.folder / "net.pt2"), None, {"shpe": "1,3,8,8"}), TOOLS)


def gl114(user: User) -> None:
    """The download of a checkpoint was interrupted."""
    path = user.has_checkpoint()
    path.write_bytes(path.read_bytes()[:-1000])
    user.types("compile", "net.pkl")


def gl115(user: User) -> None:
    """A checkpoint from a stranger would run a command."""
    user.has_checkpoint({"first_conv": os.system})
    user.types("compile", "net.pkl")


def gl116(user: User) -> None:
    """The checkpoint was written before a scale was known."""
    content = checkpoint()
    content["blocks"][1]["depthwise"]["params"]["y_scale"] = math.nan
    user.has_checkpoint(content)
    user.types("compile", "net.pkl")


def gl117(user: User) -> None:
    """The download of a model was interrupted."""
    user.has_tflite(small_tflite()[:-1000])
    user.types("compile", "net.tflite")


def gl118(user: User) -> None:
    """A model was edited, and a stride forgotten."""
    content = small_model()
    content["subgraphs"][0]["operators"][0]["builtin_options"]["stride_w"] = 2
    user.has_tflite(flatbuffer(content))
    user.types("compile", "net.tflite")


def gl119(user: User) -> None:
    """What was learnt from one model is written into another."""
    user.has_tflite(small_tflite())
    user.types("compile", "net.tflite", "--scheme", "last_1", "--out", "build")
    content = small_model()
    content["subgraphs"][0]["operators"][0]["builtin_options"]["fused_activation_function"] = 3
    user.has_tflite(flatbuffer(content))
    user.types("export", "build/net.gradlet", "--model", "net.tflite", "--out", "trained.tflite")


def gl201(user: User) -> None:
    """The plugin's op has no gradient, and a layer before it learns."""
    program, tools = user.doubles()
    graph = program.graph
    emit = Emit(tools.ops, graph, loc="fc")
    w = graph.add_state("fc.weight", np.ones((4, 4), np.float32), f32(4, 4), trainable=True)
    hidden = emit("dense", emit("reshape", graph.inputs[0], shape=(1, 4)), w)
    emit.loc = "body.twice"
    graph.outputs = [emit("twice", hidden)]
    files.save(program, user.folder / "net.gradlet", tools.ops)
    user.types("compile", "net.gradlet", "--plugin", "mine:PLUGIN")


def gl202(user: User) -> None:
    user.compiles("frozen")


def gl203(user: User) -> None:
    user.compiles("images")


def gl204(user: User) -> None:
    graph = inverted_residuals(batch=1)
    files.save(Program(graph), user.folder / "net.gradlet", TOOLS.ops)
    user.types("compile", "net.gradlet", "--update", "adam")


def gl210(user: User) -> None:
    user.compiles("net", "--update", "momentum{momentum=0.9")


def gl211(user: User) -> None:
    user.compiles("net", "--update", "momentum{nestrov=true}")


def gl212(user: User) -> None:
    user.compiles("net", "--classes", "0")


def gl213(user: User) -> None:
    user.compiles("net", "--pipeline", "fuse,differentiate,place_buffers", "--skip", "fuze")


def gl214(user: User) -> None:
    user.compiles("net", "--pipeline", "differentiate,sparse_update{scheme=last_1}")


def gl220(user: User) -> None:
    user.compiles("net", "--scheme", "last")


def gl221(user: User) -> None:
    user.writes("mine.yaml", "updates:\n  - layer: [0]\n    weight: 0.5\n")
    user.compiles("net", "--scheme", "mine.yaml")


def gl222(user: User) -> None:
    user.writes("mine.yaml", "updates:\n  - pattern: features.*\n    weight: 0.5\n")
    user.compiles("net", "--scheme", "mine.yaml")


def gl223(user: User) -> None:
    user.compiles("images", "--classes", "5")


def gl230(user: User) -> None:
    # Passes whose improvements would change the figures are left out.
    user.compiles("net", "--ram-budget", "30KB", "--pipeline", "sparse_update,differentiate,place_buffers")


def _quantizes(user: User, function: str, samples: np.ndarray) -> None:
    np.save(user.folder / "samples.npy", samples)
    user.compiles(function, "--quantize", "int8", "--calibration", "samples.npy")


def gl240(user: User) -> None:
    """A root of negative numbers."""
    _quantizes(user, "root", np.ones((4, 3, 8, 8), np.float32))


def gl241(user: User) -> None:
    """The user forgot to read the images."""
    _quantizes(user, "net", np.zeros((4, 3, 8, 8), np.float32))


def gl242(user: User) -> None:
    user.has_checkpoint()
    user.types("compile", "net.pkl", "--quantize", "int8", "--calibration", "samples.npy")
