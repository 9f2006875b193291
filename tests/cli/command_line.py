"""Runs the command line in this process, as the console script does, and puts the log set-up back afterwards."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from aicore_sync.cli import main

TEMPLATE: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "WorkflowTemplate",
    "metadata": {
        "name": "count-words",
        "labels": {"scenarios.ai.sap.com/id": "words", "ai.sap.com/version": "1.0.0"},
        "annotations": {"scenarios.ai.sap.com/name": "Words", "executables.ai.sap.com/name": "Count words"},
    },
    "spec": {
        "entrypoint": "count",
        "activeDeadlineSeconds": 600,
        "templates": [
            {
                "name": "count",
                "metadata": {"labels": {"ai.sap.com/resourcePlan": "starter"}},
                "container": {
                    "image": "docker.io/library/python:3.11-slim",
                    "command": ["python", "-c"],
                    "args": ["print('words')"],
                },
            }
        ],
    },
}


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """stderr with line breaks of the terminal taken out."""
        return " ".join(self.err.split())

    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ended]


@contextmanager
def logging_restored() -> Iterator[None]:
    """A command sends all logs of the process to its own stderr; other tests want theirs back."""
    root, kept = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(False)
        structlog.configure(**kept)


def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A function that runs the console script with arguments."""

    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["aicore-sync", *map(str, arguments)])
        capsys.readouterr()
        with logging_restored(), pytest.raises(SystemExit) as end:
            main()
        code = end.value.code
        assert code is None or isinstance(code, int)
        printed = capsys.readouterr()
        return Ended(code or 0, printed.out, printed.err)

    return run


def settings(room: Path, **changes: Any) -> dict[str, Any]:
    """A configuration of one tenant on addresses where nobody answers, with everything below `room`."""
    (room / "flows").mkdir(exist_ok=True)
    key = {
        "clientid": "c", "clientsecret": "not-a-real-secret",
        "url": "http://127.0.0.1:9", "serviceurls": {"AI_API_URL": "http://127.0.0.1:9"},
    }  # fmt: skip
    (room / "key.json").write_text(json.dumps(key))
    tenant = {
        "name": "main", "serviceKey": {"file": "key.json"}, "repository": "templates",
        "application": {"name": "app", "path": "templates"}, "datastore": {"root": "s3://bucket/metaflow"},
    }  # fmt: skip
    whole = {
        "owner": "team",
        "sources": [{"name": "flows", "directory": "flows"}],
        "repositories": [{"name": "templates", "url": f"file://{room}/remote.git"}],
        "tenants": [tenant],
        "environments": [{"name": "dev", "tenant": "main"}],
        "defaults": {"environments": ["dev"]},
        "reconcile": {"retryDeadline": "1s", "pushDeadline": "1s", "requestTimeout": "1s"},
        "http": {"port": 9},
        "cacheDir": "cache",
        "stateDir": "state",
    }
    return whole | changes


def configure(room: Path, **changes: Any) -> Path:
    """Write that configuration; returns its file."""
    file = room / "config.yaml"
    file.write_text(yaml.safe_dump(settings(room, **changes)))
    return file


def add_template(room: Path, manifest: str = "template: template.yaml\n") -> Path:
    """A hand-written template with its manifest in the source of `room`; returns the template's file."""
    place = room / "flows" / "words"
    place.mkdir(parents=True)
    (place / "aicore.yaml").write_text(manifest)
    (place / "template.yaml").write_text(yaml.safe_dump(TEMPLATE))
    return place / "template.yaml"
