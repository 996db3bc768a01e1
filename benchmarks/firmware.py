"""What compilers make of plain loops on a Cortex-M, and how fast the emulator is: docs/decisions/0005-firmware.md.

python -m gradlet.benchmarks.firmware
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from gradlet.backends.tinyengine.cortex_m import toolchain
from gradlet.backends.tinyengine.cortex_m.build import OPTIONS, build_firmware
from gradlet.backends.tinyengine.cortex_m.emulator import Emulator, Job
from gradlet.targets.nrf52840 import TARGET as NRF52840
from gradlet.targets.stm32f746 import TARGET as STM32F746

SOURCES = {"firmware.c": Path(__file__).with_name("firmware.c").read_text()}
N, MACS = 64, 64**3
VARIANTS = {
    "zig": (OPTIONS, ("-O2", "-ffp-contract=fast"), ("-O2", "-Xclang", "-O3", "-ffp-contract=off"), ("-Os",)),
    "gcc": (OPTIONS, ("-O2", "-ffp-contract=fast"), ("-O3", "-ffp-contract=off"), ("-Ofast",)),
}


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def cpu_seconds(pid: int) -> float:
    """Computing time of another process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def loop(emulator: Emulator, function: str) -> Job:
    return Job(function, [*(emulator.address(name) for name in "abc"), N])


def compilers() -> None:
    """Instructions a multiply-accumulate."""
    for target in (STM32F746, NRF52840):
        for compiler, variants in VARIANTS.items():
            if compiler == "gcc" and not toolchain.has_gcc():
                continue
            for options in variants:
                emulator = Emulator(build_firmware(SOURCES, target, options=options, compiler=compiler))
                emulator.start()
                counts = [
                    emulator.call(loop(emulator, f)).instructions / MACS for f in ("products_of_rows", "sum_of_rows")
                ]
                emulator.close()
                rates = "  ".join(f"{c:.2f}" for c in counts)
                print(f"{target.cpu}  {compiler}  {rates}  code {emulator.firmware.use.code:5}  {' '.join(options)}")


def speed() -> None:
    """Of the emulator and of the builds, on this machine as it is now."""
    emulator = Emulator(build_firmware(SOURCES, STM32F746))
    emulator.start()
    job = loop(emulator, "products_of_rows")
    for check in (False, True):
        emulator.call(job, check=check)
        before = cpu_seconds(emulator.process.pid)
        count = sum(emulator.call(job, check=check).instructions for _ in range(100))
        used = cpu_seconds(emulator.process.pid) - before
        print(f"{'checking' if check else 'plain'}: {count / used / 1e6:.0f} million instructions a second")
    nothing = [Job("nothing", [1.0])] * 5000
    print(f"a call by itself: {seconds(lambda: [emulator.call(j) for j in nothing]) / 5e3 * 1e6:.0f} us")
    print(f"a call among many: {seconds(lambda: emulator.calls(nothing)) / 5e3 * 1e6:.0f} us")
    emulator.close()
    build = {"again": seconds(lambda: build_firmware(SOURCES, STM32F746))}
    doubles = {"main.c": "volatile double x; int main(void) { return (int)(x * x); }"}
    with tempfile.TemporaryDirectory() as empty, mock.patch.dict(os.environ, ZIG_GLOBAL_CACHE_DIR=empty):
        os.environ["ZIG_LOCAL_CACHE_DIR"] = empty
        build["with an empty cache"] = seconds(lambda: build_firmware(SOURCES, STM32F746))
        build["with an empty cache and double arithmetic"] = seconds(lambda: build_firmware(doubles, STM32F746))
    for what, duration in build.items():
        print(f"a build {what}: {duration:.1f} s")


if __name__ == "__main__":
    compilers()
    speed()
