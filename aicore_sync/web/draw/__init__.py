"""Pictures as SVG, drawn here: shapes with classes, so that the style sheet colours them in light and dark. Pure."""

from __future__ import annotations

from aicore_sync.web.draw.chart import Series, chart
from aicore_sync.web.draw.dag import draw_dag
from aicore_sync.web.draw.graph import Graph, Node, graph_of

__all__ = ["Graph", "Node", "Series", "chart", "draw_dag", "graph_of"]
