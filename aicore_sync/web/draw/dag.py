"""A graph of steps from left to right, each as far left as what it waits for allows."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from aicore_sync.web.draw.graph import Graph, Node

HEIGHT, GAP_X, GAP_Y, MARGIN = 30, 44, 14, 8
LETTER, PADDING = 7.4, 34
LONGEST_LABEL = 28
# Argo's phases as the marks of the page: glyph, class, word.
PHASES = {
    "Succeeded": ("✓", "ok", "succeeded"),
    "Running": ("▸", "run", "running"),
    "Pending": ("…", "wait", "pending"),
    "Failed": ("✕", "fail", "failed"),
    "Error": ("✕", "fail", "error"),
    "Skipped": ("–", "off", "skipped"),
    "Omitted": ("–", "off", "omitted"),
    "Untold": ("?", "none", "AI Core has not told its state"),
}


def draw_dag(graph: Graph, phases: Mapping[str, str], title: str) -> str:
    """An SVG element; "" for a graph without steps. Colours come with glyphs and words."""
    if not graph.nodes:
        return ""
    columns = _columns(graph)
    boxes: dict[int, tuple[float, float, float]] = {}
    x = float(MARGIN)
    tallest = max(len(column) for column in columns) * (HEIGHT + GAP_Y) - GAP_Y
    for column in columns:
        width = max(_width(graph.nodes[index]) for index in column)
        top = MARGIN + (tallest - (len(column) * (HEIGHT + GAP_Y) - GAP_Y)) / 2
        for row, index in enumerate(column):
            boxes[index] = (x, top + row * (HEIGHT + GAP_Y), width)
        x += width + GAP_X
    size = (round(x - GAP_X + MARGIN), round(tallest + 2 * MARGIN))
    parts = [_edge(boxes[before], boxes[index]) for index, n in enumerate(graph.nodes) for before in n.after]
    parts += [_box(node, boxes[index], _phase(node, phases)) for index, node in enumerate(graph.nodes)]
    return (
        f'<svg class="dag" viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}" height="{size[1]}" role="img">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _columns(graph: Graph) -> list[list[int]]:
    depth: list[int] = []
    for node in graph.nodes:
        depth.append(1 + max((depth[index] for index in node.after), default=-1))
    columns: list[list[int]] = [[] for _ in range(max(depth) + 1)]
    row: dict[int, int] = {}
    for index in sorted(range(len(graph.nodes)), key=lambda i: depth[i]):
        columns[depth[index]].append(index)
    for column in columns:  # beside what they wait for, so that lines cross little
        column.sort(key=lambda i: (_middle(graph.nodes[i], row), i))
        row.update({index: place for place, index in enumerate(column)})
    return columns


def _middle(node: Node, row: Mapping[int, int]) -> float:
    return sum(row[index] for index in node.after) / len(node.after) if node.after else 0.0


def _label(node: Node) -> str:
    label = node.label if len(node.label) <= LONGEST_LABEL else f"{node.label[: LONGEST_LABEL - 1]}…"
    return f"{label} ×n" if node.many else label


def _width(node: Node) -> float:
    return max(72.0, len(_label(node)) * LETTER + PADDING)


def _phase(node: Node, phases: Mapping[str, str]) -> str:
    return next((phases[name] for name in node.names if phases.get(name)), "")


def _box(node: Node, box: tuple[float, float, float], phase: str) -> str:
    x, y, width = box
    glyph, mark, word = PHASES.get(phase, ("", "none", "has not run"))
    shadow = f'<rect class="node" x="{x + 3:g}" y="{y + 3:g}" width="{width:g}" height="{HEIGHT}" rx="7"/>'
    return (
        f'<g class="step {mark}"><title>{escape(node.label)}: {word}</title>{shadow if node.many else ""}'
        f'<rect class="node" x="{x:g}" y="{y:g}" width="{width:g}" height="{HEIGHT}" rx="7"/>'
        f'<text class="glyph" x="{x + 11:g}" y="{y + 19.5:g}">{glyph}</text>'
        f'<text x="{x + 25:g}" y="{y + 19.5:g}">{escape(_label(node))}</text></g>'
    )


def _edge(one: tuple[float, float, float], other: tuple[float, float, float]) -> str:
    x1, y1 = one[0] + one[2], one[1] + HEIGHT / 2
    x2, y2 = other[0], other[1] + HEIGHT / 2
    bend = max(GAP_X / 2, (x2 - x1) / 2)
    return f'<path class="edge" d="M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"/>'
