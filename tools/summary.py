"""The report for people: what the program costs, and what learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from gradlet.tools.quantization import show_quantization

KINDS = {
    "arena": "activations and gradients",
    "state": "parameters and moments that change",
    "static": "other variables",
    "stack": "stack",
}
LAYERS_SHOWN = 12


def show_summary(report: Mapping[str, Any], console: Console) -> None:
    """Prints the report as tables."""
    target, memory = report["target"], report["memory"]
    console.print(f"\n[bold]{report['model']}[/bold] for {target['name']} ({target['cpu']}), scheme {report['scheme']}")
    console.print(_memory(report))
    macs, counted = report["macs"], report["instructions"]
    console.print(f"  multiply-accumulates  forward {macs['forward']:,}  backward and update {macs['backward']:,}")
    if counted["forward"]:
        step = f"  training step {counted['train_step']:,}" if counted["train_step"] else ""
        console.print(f"  instructions          forward {counted['forward']:,}{step}")
    learns = report["learns"]
    console.print(f"  learns                {learns['elements']:,} of {learns['of']:,} parameters")
    if memory["arena_lower_bound"]:
        gap = memory["arena"] / memory["arena_lower_bound"] - 1
        console.print(f"  arena                 {memory['arena_lower_bound']:,} B is the lower bound, gap {gap:.1%}")
    if report["analytic_memory"]:
        counted = report["analytic_memory"]["total"]
        console.print(f"  analytic memory       {counted:,} B ({counted / 1024:.1f} KB): docs/sparse_updates.md")
    console.print(_layers(report))
    if report["quantization"]:
        show_quantization(report["quantization"], console)
    for note in report["notes"]:
        console.print(f"  note: {note}")


def _memory(report: Mapping[str, Any]) -> Table:
    target, memory = report["target"], report["memory"]
    table = Table(box=None, padding=(0, 2))
    table.add_column("memory")
    table.add_column("bytes", justify="right")
    table.add_column("of", justify="right")
    for kind, meaning in KINDS.items():
        table.add_row(f"{kind}: {meaning}", _bytes(memory[kind]), "")
    table.add_row("[bold]SRAM", f"[bold]{_bytes(memory['sram_total'])}", _bytes(target["sram"], ""))
    for kind in ("weights", "code"):
        table.add_row(f"flash: {kind}", _bytes(memory[f"flash_{kind}"]), "")
    table.add_row("[bold]flash", f"[bold]{_bytes(memory['flash_total'])}", _bytes(target["flash"], ""))
    return table


def _bytes(number: int | None, unknown: str = "not linked") -> str:
    return unknown if number is None else f"{number:,}"


def _layers(report: Mapping[str, Any]) -> Table:
    """The layers of the user's model; of many those that learn, and those with most multiply-accumulates."""
    layers: dict[str, dict[str, int]] = {}
    for node in report["nodes"]:
        entry = layers.setdefault(node["place"] or "-", {"forward": 0, "backward": 0, "bytes": 0})
        entry["forward" if node["phase"] == "forward" else "backward"] += node["macs"]
        entry["bytes"] = max(entry["bytes"], node["bytes"])
    learning = {name: _learning(report, name) for name in layers}
    shown = sorted(layers, key=lambda name: (not learning[name], -sum(layers[name].values())))[:LAYERS_SHOWN]
    table = Table(box=None, padding=(0, 2))
    title = "layer" if len(layers) <= LAYERS_SHOWN else f"layer ({LAYERS_SHOWN} of {len(layers)})"
    table.add_column(title, no_wrap=True)
    for title in ("forward MACs", "backward MACs", "largest value, B", "learns"):
        table.add_column(title, justify="right")
    for name, entry in layers.items():
        if name in shown:
            numbers = [f"{entry[k]:,}" for k in ("forward", "backward", "bytes")]
            table.add_row(name, *numbers, learning[name])
    return table


def _learning(report: Mapping[str, Any], layer: str) -> str:
    states = [s for s in report["learns"]["states"] if s["name"].rpartition(".")[0] == layer]
    return ", ".join(f"{s['name'].rpartition('.')[2]} {s['elements']:,}" for s in states)
