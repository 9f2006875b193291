"""Environments with both ends of the Metaflow releases that we support."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

from platformdirs import user_cache_path

OLDEST, NEWEST = "metaflow==2.12.25", "metaflow>=2.19,<2.20"


def environment(requirement: str) -> Path:
    """The interpreter of a venv with this Metaflow; built once per machine and user, under a lock."""
    name = requirement.replace("metaflow", "").strip("=<>").replace(",<", "-")
    home = user_cache_path("aicore-sync") / "test-envs" / name
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            uv = str(Path(sys.executable).with_name("uv"))
            subprocess.run([uv, "venv", "-q", "--clear", "-p", sys.executable, str(home)], check=True)
            python = str(home / "bin" / "python")
            subprocess.run(
                [uv, "pip", "install", "-q", "-p", python, requirement, "boto3", "requests"], check=True
            )
            (home / "complete").touch()
    return home / "bin" / "python"
