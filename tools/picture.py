"""The arena over the schedule as a picture: time to the right, bytes upwards, a rectangle for every buffer."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from gradlet.ir.graph import Graph
from gradlet.ir.memory_plan import MemoryPlan, Slot

WIDTH, HEIGHT, MARGIN = 960, 480, 56
COLOURS = {"input": "#8c8c8c", "forward": "#4c78a8", "backward": "#f58518", "update": "#54a24b", "scratch": "#d0d0d0"}
# Rectangles at least so high have their name written in them.
_LABELLED = 13


def arena_picture(graph: Graph) -> str:
    """An SVG; pointing at a rectangle tells the value, its bytes and its place in the model."""
    plan = graph.plan
    assert plan is not None, f"{graph.name} is not planned"
    steps = len(graph.nodes) + 1
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 2 * MARGIN} {HEIGHT + 2 * MARGIN}" '
        'font-family="sans-serif" font-size="11">',
        f'<text x="{MARGIN}" y="20" font-size="14">{escape(_title(graph, plan))}</text>',
        *_legend(),
        *_axes(plan, steps),
        *(_rectangle(slot, graph, plan, steps) for slot in plan.slots if slot.size),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _title(graph: Graph, plan: MemoryPlan) -> str:
    bound = f"{plan.lower_bound:,} alive at the fullest step"
    return f"{graph.name}: arena of {plan.arena_bytes:,} bytes, {bound}, {len(graph.nodes)} steps"


def _legend() -> Iterator[str]:
    for k, (kind, colour) in enumerate(COLOURS.items()):
        x = MARGIN + 100 * k
        yield f'<rect x="{x}" y="32" width="12" height="12" fill="{colour}"/><text x="{x + 16}" y="42">{kind}</text>'


def _axes(plan: MemoryPlan, steps: int) -> Iterator[str]:
    for part in range(5):
        y, size = MARGIN + HEIGHT * (4 - part) / 4, plan.arena_bytes * part // 4
        yield f'<line x1="{MARGIN}" x2="{MARGIN + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
        yield f'<text x="{MARGIN - 4}" y="{y + 4:.1f}" text-anchor="end">{size:,}</text>'
    for part in range(5):
        x, step = MARGIN + WIDTH * part / 4, (steps - 1) * part // 4
        yield f'<text x="{x:.1f}" y="{MARGIN + HEIGHT + 16}" text-anchor="middle">step {step}</text>'


def _rectangle(slot: Slot, graph: Graph, plan: MemoryPlan, steps: int) -> str:
    left, right = max(slot.first, 0), slot.last + 1
    x, width = MARGIN + WIDTH * left / steps, WIDTH * (right - left) / steps
    height = HEIGHT * slot.size / plan.arena_bytes
    y = MARGIN + HEIGHT * (1 - slot.end / plan.arena_bytes)
    name, kind, place = _described(slot)
    told = f"{name}: {slot.size:,} bytes at {slot.offset:,}, steps {slot.first} to {slot.last}{place and ', ' + place}"
    label = f'<text x="{x + 3:.1f}" y="{y + height / 2 + 4:.1f}" fill="white">{escape(name)}</text>'
    return (
        f'<g><title>{escape(told)}</title><rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'fill="{COLOURS[kind]}" stroke="white" stroke-width="0.5"/>'
        f"{label if height > _LABELLED and width > 8 * len(name) else ''}</g>"
    )


def _described(slot: Slot) -> tuple[str, str, str]:
    """Name, kind and place of what a slot holds."""
    if not slot.values:
        return "working memory", "scratch", ""
    first = slot.values[0].producer
    place = next((v.producer.loc for v in slot.values if v.producer), "")
    return ", ".join(map(str, slot.values)), first.phase.value if first else "input", place
