"""STM32F746: Cortex-M7 at 216 MHz, 320 KB of SRAM, 1 MB of flash."""

from gradlet.ir.target import Memory, Target

TARGET = Target(
    name="stm32f746",
    summary="STM32F746, Cortex-M7 at 216 MHz, 320 KB SRAM, 1 MB flash",
    cpu="cortex-m7",
    # The floating point unit has single precision only: a double is a call of a library function.
    features=frozenset({"dsp", "fpv5-sp"}),
    # Three memories without a gap: 64 KB DTCM, 240 KB SRAM1, 16 KB SRAM2.
    sram=Memory(0x2000_0000, 320 << 10),
    flash=Memory(0x0800_0000, 1 << 20),
    clock_hz=216_000_000,
)
