"""What the pretrained int8 networks need on a microcontroller: memory and instructions of a training step.

python -m gradlet.benchmarks.int8_devices [--schemes 49kb,99kb] [--json FILE]

128 x 128, 10 classes, batch 1, int8 in place, integer gradients. Bytes are the linker's and the measured stack's, and
instructions those of the second step on an emulated Cortex-M7: both exact, nothing is timed. The first step calibrates
the ranges of the gradients. The checkpoints are looked for in $GRADLET_DATA, or ../shared/data.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from gradlet.ir import files
from gradlet.ir.plugin import Toolbox, load
from gradlet.tools.api import Options, compile_program, import_source
from gradlet.tools.checks import sample
from gradlet.tools.paths import user_path

DATA = Path(os.environ.get("GRADLET_DATA", "../shared/data"))
NETWORKS = ("mcunet-5fps", "mbv2-w0.35", "proxyless-w0.3")
CLASSES, TARGET = 10, "stm32f746"
COLUMNS = ("arena", "state", "stack", "sram_total", "flash_weights", "flash_total", "forward", "step")


def measured(network: str, scheme: str, tools: Toolbox) -> dict[str, object]:
    """Bytes and instructions of one network under one scheme."""
    options = Options(scheme=scheme, classes=CLASSES, target=TARGET)
    compiled = compile_program(import_source(str(DATA / "models" / f"{network}.pkl"), options, tools), options, tools)
    session: Any = compiled.open()  # what only a device can tell
    step, inference = compiled.program.graph, compiled.program.infer
    assert inference
    try:
        for seed in range(2):
            session.train_step({v.name: sample(v, seed) for v in step.inputs} | {"lr": np.array(0.0016, np.float32)})
        instructions = {"step": session.instructions}
        session.infer({v.name: sample(v, 0) for v in inference.inputs})
        instructions |= {"forward": session.instructions}
        return {"network": network, "scheme": scheme, **session.memory(), **instructions}
    finally:
        session.close()


def rows(schemes: Sequence[str], tools: Toolbox) -> Iterator[dict[str, object]]:
    for network in NETWORKS:
        for scheme in schemes:
            yield measured(network, scheme, tools)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schemes", default="49kb", help="names, separated by commas")
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    args = parser.parse_args()
    console, table = Console(), Table("network", "scheme", *COLUMNS, box=None)
    console.width = max(console.width, 110)
    with console.status("training on the emulated device"):
        found = list(rows(args.schemes.split(","), load(installed=False)))
    for row in found:
        table.add_row(str(row["network"]), str(row["scheme"]), *(f"{row[c]:,}" for c in COLUMNS))
    console.print(table)
    if args.json:
        files.write_bytes(user_path(args.json), (json.dumps(found, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
