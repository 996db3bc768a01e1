"""The computer the compiler runs on."""

from gradlet.ir.target import Target

TARGET = Target(
    name="x86_64",
    summary="64-bit x86 host, memory not limited",
    cpu="x86_64",
    # A cache line: no vector of a buffer's elements straddles two.
    alignment=64,
    backend="tvm",
)
