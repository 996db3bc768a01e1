"""Makes digits.gradlet: trains the network on upright digits with PyTorch, and imports it.

python -m gradlet.examples.digits.pretrain
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from gradlet.examples.digits.data import load_digits
from gradlet.frontends.pytorch.importer import import_module
from gradlet.ir import files
from gradlet.ir.plugin import load

CHECKPOINT = Path(__file__).with_name("digits.gradlet")
EPOCHS, BATCH, RATE = 60, 32, 2e-3


class DigitsNet(nn.Module):
    """Three 3x3 convolutions, global average, linear classifier: 6,218 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(*_block(1, 8, 1), *_block(8, 16, 2), *_block(16, 32, 2))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(32, 10)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.pool(self.features(x)), 1))


def _block(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.ReLU()]


def pretrain(seed: int = 0) -> DigitsNet:
    """The network after training on the upright digits; the same at every call."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    digits, net = load_digits(), DigitsNet()
    images, labels = torch.tensor(digits.train_images).permute(0, 3, 1, 2), torch.tensor(digits.train_labels).long()
    optimizer = torch.optim.Adam(net.parameters(), RATE)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images[batch]), labels[batch]).backward()
            optimizer.step()
    return net.eval()


def main() -> None:
    tools = load(installed=False)
    program = import_module(pretrain(), (torch.zeros(1, 1, 8, 8),), name="digits", toolbox=tools)
    files.save(program, CHECKPOINT, tools.ops)
    print(f"{CHECKPOINT}: {CHECKPOINT.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
