"""A Cortex-M to start from: copy this file, edit the values, and the new device is known by its `name`.

Nothing but data is needed; it stands in the data sheet:

* `cpu`: `cortex-m0plus`, `cortex-m3`, `cortex-m4`, `cortex-m7` or `cortex-m33`.
* `features`: `dsp` from the M4 up; the floating point unit, if there is one: `fpv4-sp` (M4F), `fpv5-sp` (M7, M33)
  or `fpv5-dp` (M7 with double precision).
* `sram`: first address and size of the largest RAM without a gap, or the part of it that the application can spare.
* `flash`: the same, without what a boot loader takes.
* `clock_hz`: highest clock of the core, for estimates of time.
* `stack_bytes`: reserved for the stack; the emulator reports how much of it was used.
"""

from gradlet.ir.target import Memory, Target

TARGET = Target(
    name="cortex_m_generic",
    summary="any Cortex-M4F: 256 KB RAM, 1 MB flash; a file to copy and edit",
    cpu="cortex-m4",
    features=frozenset({"dsp", "fpv4-sp"}),
    sram=Memory(0x2000_0000, 256 << 10),
    flash=Memory(0x0000_0000, 1 << 20),
    clock_hz=64_000_000,
    stack_bytes=4096,
)
