"""Paths in the configuration: relative ones start at the file's directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo


def from_here(path: Path, info: ValidationInfo) -> Path:
    """A path as seen from the configuration file's directory."""
    path = path.expanduser()
    base = (info.context or {}).get("base")
    return path if base is None else Path(base) / path


HerePath = Annotated[Path, AfterValidator(from_here)]
