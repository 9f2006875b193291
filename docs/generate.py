"""Writes what is made from the code: the example, the schemas and the key tables. `make generated` runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from aicore_sync.config import Settings, example_yaml, key_table, schema
from aicore_sync.core.kinds import answer_schema, answer_tables
from aicore_sync.core.manifest import Manifest

ROOT = Path(__file__).parents[1]
KINDS: tuple[tuple[Literal["config", "manifest"], str, type[BaseModel]], ...] = (
    ("config", "configuration.md", Settings),
    ("manifest", "manifest.md", Manifest),
)


def main() -> None:
    (ROOT / "config.example.yaml").write_text(example_yaml())
    for kind, page, model in KINDS:
        text = json.dumps(schema(kind), indent=2, ensure_ascii=False) + "\n"
        (ROOT / "docs" / "schemas" / f"{kind}.json").write_text(text)
        path = ROOT / "docs" / page
        head, _, rest = path.read_text().partition("<!-- keys -->\n")
        tail = rest.partition("<!-- /keys -->")[2]
        path.write_text(f"{head}<!-- keys -->\n{key_table(model)}<!-- /keys -->{tail}")
    schemas = ROOT / "docs" / "schemas" / "answers.json"
    schemas.write_text(json.dumps(answer_schema(), indent=2, ensure_ascii=False) + "\n")
    output = ROOT / "docs" / "output.md"
    head, _, _ = output.read_text().partition("<!-- answers -->\n")
    output.write_text(f"{head}<!-- answers -->\n{answer_tables()}<!-- /answers -->\n")


if __name__ == "__main__":
    main()
