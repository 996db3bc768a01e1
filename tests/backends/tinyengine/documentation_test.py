"""The example of docs/using_the_c.md, built and run as its reader would."""

import re
import subprocess
from pathlib import Path

from gradlet.backends.tinyengine.emitter import files
from gradlet.backends.tinyengine.host.compiler import WARNINGS, Build
from gradlet.backends.tinyengine.model import describe
from gradlet.tests.backends.tinyengine.programs import HOST, TOOLBOX, mlp

PAGE = Path(__file__).parents[3] / "docs" / "using_the_c.md"


def test_example_trains_saves_and_loads(tmp_path: Path):
    (example,) = re.findall(r"```c\n(.*?)```", PAGE.read_text(), re.DOTALL)
    sources = files(describe(mlp(), HOST, TOOLBOX)) | {"main.c": example}
    program = tmp_path / "example"
    program.write_bytes(Build((*WARNINGS, "-O2")).executable({n: t.encode() for n, t in sources.items()}))
    program.chmod(0o700)
    printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    losses = [float(loss) for loss in re.findall(r"loss ([\d.]+)", printed)]
    assert len(losses) == 4 and losses[-1] < losses[0] / 2
    assert "logits of the first sample" in printed
