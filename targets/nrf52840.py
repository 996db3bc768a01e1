"""nRF52840: Cortex-M4F at 64 MHz, 256 KB of RAM, 1 MB of flash."""

from gradlet.ir.target import Memory, Target

TARGET = Target(
    name="nrf52840",
    summary="nRF52840, Cortex-M4F at 64 MHz, 256 KB RAM, 1 MB flash",
    cpu="cortex-m4",
    features=frozenset({"dsp", "fpv4-sp"}),
    sram=Memory(0x2000_0000, 256 << 10),
    flash=Memory(0x0000_0000, 1 << 20),
    clock_hz=64_000_000,
)
