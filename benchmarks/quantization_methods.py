"""What each method of quantisation is worth: signal to noise of the logits, and accuracy, of small networks in int8.

python -m gradlet.benchmarks.quantization_methods [--only digits]     or: ./bazelw run //benchmarks:quantization_methods

A network of the kind of MobileNet is trained in PyTorch on scikit-learn's digits (8 x 8), and one on Kuzushiji-MNIST
(28 x 28, 8,000 images, from $GRADLET_DATA or ../shared/data if it is there). Both are quantised as they are, and
scaled: each channel by a number drawn from exp(N(0, 1.2)), the next layer's weights by its inverse. The function stays,
but weights and activations of some channels are a hundred times those of others, as in some depthwise networks after
their batch norms are folded.
Calibration takes 256 images of the training split; ratios and accuracies are of the test split (of the characters:
1,000 images), in numpy, whose int8 results are those of every backend.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.nn import functional as F  # noqa: N812

from gradlet.frontends.pytorch.importer import import_module
from gradlet.ir.passes import Context
from gradlet.ir.plugin import load
from gradlet.ir.program import Program
from gradlet.optimizers.clone import clone
from gradlet.optimizers.quantization.calibration import run
from gradlet.tools.datasets import Split, load_dataset
from gradlet.tools.quantization import quantize_program

KMNIST = Path(os.environ.get("GRADLET_DATA", "../shared/data")) / "images" / "kmnist_8k2k.npz"
BATCH, SPREAD, SAMPLES = 40, 1.2, 256
RANGES = ("minmax", "percentile{percent=99.99}", "kl", "mse")
WEIGHTS = ("per_tensor", "per_channel")
ADDED = (
    "correct_bias=true",
    "rounding=adaround",
    "equalize=true",
    "equalize=true,rounding=adaround,correct_bias=true",
    "equalize=true,qat_steps=500",
)
TOOLS = load(installed=False)


def configurations() -> list[str]:
    """Options of `--quantize int8{...}`: all ways to choose ranges, then one with what makes up for rounding."""
    plain = [f"ranges={ranges},weights={weights}" for weights in WEIGHTS for ranges in RANGES]
    better = [f"ranges=mse,weights={weights},{added}" for weights in WEIGHTS for added in ADDED]
    wide = [f"activations=int16,weights={weights}{more}" for weights in WEIGHTS for more in ("", ",rounding=adaround")]
    return plain + better + wide


class Net(nn.Module):
    """A convolution, three depthwise separable ones, the mean over the image, and a head."""

    def __init__(self, stride: int):
        super().__init__()
        layers = [nn.Conv2d(1, 16, 3, stride, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
        for inputs, outputs, step in ((16, 32, stride), (32, 32, 1), (32, 64, 2)):
            layers += [
                nn.Conv2d(inputs, inputs, 3, step, 1, groups=inputs, bias=False),
                nn.BatchNorm2d(inputs),
                nn.ReLU(),
            ]
            layers += [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.features(x).mean((2, 3)))
        return found


def to_torch(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.moveaxis(images, -1, 1)).contiguous(memory_format=torch.channels_last)


def trained(stride: int, data: Split, epochs: int) -> Net:
    torch.manual_seed(0)
    net = Net(stride).to(memory_format=torch.channels_last)
    x, labels = to_torch(data.inputs), torch.from_numpy(data.targets.astype(np.int64))
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    steps = epochs * (len(x) // 64)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        if step % (len(x) // 64) == 0:
            order = torch.randperm(len(x))
        chosen = order[step % (len(x) // 64) * 64 :][:64]
        optimizer.zero_grad()
        F.cross_entropy(net(x[chosen]), labels[chosen]).backward()
        optimizer.step()
        schedule.step()
    return net.eval()


@torch.no_grad()
def unbalance(net: Net) -> None:
    """Scales channels where ReLU lets it through; the function stays."""
    generator = torch.Generator().manual_seed(1)
    norms = [m for m in net.features if isinstance(m, nn.BatchNorm2d)]
    _, *convs = (m for m in net.features if isinstance(m, nn.Conv2d))
    for norm, reader in zip(norms, [*convs, net.head], strict=True):
        factor = torch.exp(SPREAD * torch.randn(norm.num_features, generator=generator))
        norm.weight.mul_(factor)
        norm.bias.mul_(factor)
        by_output = isinstance(reader, nn.Conv2d) and reader.groups > 1
        shape = [-1 if axis == (0 if by_output else 1) else 1 for axis in range(reader.weight.ndim)]
        reader.weight.div_(factor.reshape(shape))


@torch.no_grad()
def logits(net: Net, images: np.ndarray) -> np.ndarray:
    found: np.ndarray = net(to_torch(images)).numpy()
    return found


def int8_logits(model: Program, quantize: str, train: Split, images: np.ndarray) -> np.ndarray:
    """Of images in whole batches."""
    program, context = Program(clone(model.graph)), Context(TOOLS)
    quantize_program(program, context, quantize, train.inputs, classes=None, seed=0, prediction=0)
    (x,), (y,) = program.graph.inputs, program.graph.outputs
    batches = images.reshape(-1, BATCH, *images.shape[1:])
    return np.concatenate([run(program.graph, TOOLS.ops, {x.name: batch})[y.name] for batch in batches])


def measured(model: Program, quantize: str, exact: np.ndarray, train: Split, test: Split) -> tuple[float, float]:
    """(signal to noise in dB, accuracy in %)."""
    found = int8_logits(model, f"int8{{{quantize},samples={SAMPLES}}}", train, test.inputs)
    ratio = 10 * np.log10(np.square(exact).sum() / np.square(found - exact).sum())
    return float(ratio), accuracy(found, test)


def accuracy(found: np.ndarray, test: Split) -> float:
    return float(100 * np.mean(found.argmax(axis=1) == test.targets))


def images() -> dict[str, tuple[int, int, Split, Split]]:
    """Name -> stride of the network, epochs, training and test split, float32 images."""
    digits = load_dataset("digits")
    found = {"digits": (1, 15, digits.train, digits.test)}
    if KMNIST.exists():
        data = load_dataset(str(KMNIST))
        parts = data.train, data.test[np.arange(1000)]
        train, test = (Split(part.inputs[..., None].astype(np.float32) / 255, part.targets) for part in parts)
        found["kmnist"] = (2, 8, train, test)
    return found


def show(rows: Mapping[str, Mapping[str, tuple[float, float]]], exact: Mapping[str, float]) -> Table:
    titles = [f"{name}: {unit}" for name in exact for unit in ("dB", "%")]
    table = Table("--quantize int8{...}", *titles, box=None)
    table.add_row("float32", *(cell for percent in exact.values() for cell in ("", f"{percent:.2f}")))
    for options, found in rows.items():
        table.add_row(
            options, *(f"{n:.{digits}f}" for name in exact for n, digits in zip(found[name], (1, 2), strict=True))
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="digits or kmnist")
    parser.add_argument("--with", dest="part", default="", help="only the options that have this in them")
    args = parser.parse_args()
    torch.set_num_threads(1)  # so that a second run trains the same network
    console = Console(width=200)
    exact: dict[str, float] = {}
    chosen = [options for options in configurations() if args.part in options]
    rows: dict[str, dict[str, tuple[float, float]]] = {options: {} for options in chosen}
    for data, (stride, epochs, train, test) in images().items():
        if args.only not in (None, data):
            continue
        net = trained(stride, train, epochs)
        for name in (data, f"{data} scaled"):
            if name != data:
                unbalance(net)
            wanted = logits(net, test.inputs)
            exact[name] = accuracy(wanted, test)
            model = import_module(net, to_torch(train.inputs[:BATCH]), toolbox=TOOLS)
            for options, row in rows.items():
                row[name] = measured(model, options, wanted, train, test)
                console.print(f"{name} {options}: {row[name][0]:.1f} dB, {row[name][1]:.2f} %", highlight=False)
    console.print(show(rows, exact))


if __name__ == "__main__":
    main()
