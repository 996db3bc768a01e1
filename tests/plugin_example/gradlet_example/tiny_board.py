"""A board with 32 KB of RAM."""

from gradlet.ir.target import Memory, Target

TARGET = Target(
    name="tiny_board",
    summary="an invented Cortex-M4F, 32 KB RAM, 256 KB flash",
    cpu="cortex-m4",
    features=frozenset({"dsp", "fpv4-sp"}),
    sram=Memory(0x2000_0000, 32 << 10),
    flash=Memory(0x0800_0000, 256 << 10),
    stack_bytes=2048,
)
