"""The table of the README of the chart, made from its values. To write it: python tests/ship/ship_values.py"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "charts/aicore-sync"
README = CHART / "README.md"
BEGIN, END = "<!-- values -->\n", "<!-- /values -->"
_KEY = re.compile(r"^( *)([A-Za-z]+):")
_LONG = 60  # characters of a default that a table can show


def described(text: str) -> Iterator[tuple[str, str]]:
    """Each value that has a `# -- ` comment above it, with the comment, in the order of the file."""
    path: list[str] = []
    comment = ""
    for line in text.splitlines():
        found = _KEY.match(line)
        if line.strip().startswith("# -- "):
            comment = line.strip().removeprefix("# -- ")
        elif found:
            path = [*path[: len(found[1]) // 2], found[2]]
            if comment:
                yield ".".join(path), comment
            comment = ""


def at(values: Any, path: str) -> Any:
    for part in path.split("."):
        values = values[part]
    return values


def table() -> str:
    """The Markdown table of all values."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    values = yaml.safe_load(text)
    rows = ["| Value | Default | Meaning |", "|---|---|---|"]
    for path, comment in described(text):
        default = json.dumps(at(values, path), ensure_ascii=False)
        cell = f"`{default}`" if len(default) <= _LONG else "see `values.yaml`"
        rows.append(f"| `{path}` | {cell} | {comment} |")
    return "\n".join(rows) + "\n"


def with_table(readme: str) -> str:
    """The README with its table renewed."""
    head, _, rest = readme.partition(BEGIN)
    return head + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
