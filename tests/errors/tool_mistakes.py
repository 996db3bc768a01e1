"""What users get wrong at the command line, with data sets and with plugins: one function a code."""

import sys

import numpy as np

from gradlet.tests.errors.user import User
from gradlet.tests.small_models import compiled, mlp


def gl401(user: User) -> None:
    user.compiles("net", "--ram-budget", "128kilo")


def gl402(user: User) -> None:
    user.types("compile", "net.onnx")


def gl403(user: User) -> None:
    user.compiles("net", "--calibration", "data.npz")


def gl404(user: User) -> None:
    """The C of a plugin's op is not what its Python says."""
    user.emulates("static void twice_f32(float *y, const float *x, int n) {\n    y[0] = x[0] * (float)n;\n}\n")


def gl410(user: User) -> None:
    user.has_program()
    np.savez(user.folder / "data.npz", pictures=np.zeros((8, 4), np.float32), labels=np.zeros(8, np.int32))
    user.types("run", "net.gradlet", "--data", "data.npz")


def _data(user: User, features: int) -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(40, features)), rng.integers(0, 3, 40)
    np.savez(user.folder / "data.npz", images=images.astype(np.float32), labels=labels.astype(np.int32))


def gl411(user: User) -> None:
    user.has_program()
    _data(user, 5)
    user.types("run", "net.gradlet", "--data", "data.npz")


def gl412(user: User) -> None:
    user.has_program()
    _data(user, 4)
    user.types("run", "net.gradlet", "--data", "data.npz", "--train")


def gl413(user: User) -> None:
    user.has_program(compiled(mlp(4, 8, 3)))
    _data(user, 4)
    user.types("run", "net.gradlet", "--data", "data.npz", "--train", "--lr", "1e30")


def _trains(user: User, *options: str) -> None:
    _data(user, 4)
    user.types("run", "net.gradlet", "--data", "data.npz", "--train", "--checkpoint", "run.ckpt", *options)


def gl414(user: User) -> None:
    """The power failed while somebody copied the file."""
    user.has_program(compiled(mlp(4, 8, 3)))
    _trains(user)
    file = user.folder / "run.ckpt"
    file.write_bytes(file.read_bytes()[:-20])
    _trains(user)


def gl415(user: User) -> None:
    user.has_program(compiled(mlp(4, 8, 3)))
    _trains(user)
    _trains(user, "--lr", "0.5")


def gl416(user: User) -> None:
    user.has_program(compiled(mlp(4, 8, 3)))
    _data(user, 4)
    user.patch.setitem(sys.modules, "matplotlib.figure", None)
    user.types("run", "net.gradlet", "--data", "data.npz", "--train", "--png", "curves.png")


def gl420(user: User) -> None:
    user.types("new_op", "relu", "--into", "mine")


def gl430(user: User) -> None:
    user.compiles("net", "--quantize", "int8")


def gl501(user: User) -> None:
    user.has_plugin()
    user.compiles("net", "--plugin", "mine:SECOND_STM32")


def gl502(user: User) -> None:
    user.has_plugin()
    user.compiles("net", "--plugin", "mine:OLD")


def gl503(user: User) -> None:
    user.compiles("net", "--plugin", "gradlet_exmaple:PLUGIN")


def gl504(user: User) -> None:
    user.compiles("net", "--target", "stm32f747")
