"""One sandbox for a module of in-process commands: a git remote, an AI Core, a source that was applied once.

The sandbox is a process, and each command runs a loop of its own in this one, as the console script does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from command_line import TEMPLATE
from githosts import make_remote

QUICK = {
    "settle": 0,
    "allowShortSettle": True,
    "runQuiet": 0,
    "goneAfter": "1s",
    "interval": "1s",
    "requestTimeout": "5s",
    "retryDeadline": "2s",
}


@dataclass(frozen=True)
class CliWorld:
    """What a test holds in its hands."""

    room: Path
    ready: dict[str, Any]
    remote: Path

    @property
    def config(self) -> Path:
        return self.room / "config.yaml"

    def write(self, name: str, *, code: str = "print(1)", plan: str = "starter", **manifest: Any) -> None:
        """Flow `name`: a hand-written template with one parameter, and its manifest."""
        directory = self.room / "flows" / name
        directory.mkdir(parents=True, exist_ok=True)
        made = deepcopy(TEMPLATE)
        made["metadata"]["name"] = name
        made["spec"]["arguments"] = {"parameters": [{"name": "alpha", "default": "0"}]}
        step = made["spec"]["templates"][0]
        step["container"]["args"] = [code]
        step["metadata"]["labels"]["ai.sap.com/resourcePlan"] = plan
        (directory / "template.yaml").write_text(yaml.safe_dump(made))
        whole = {"template": "template.yaml", "executable": {"id": name}, "environments": ["dev"]}
        (directory / "aicore.yaml").write_text(yaml.safe_dump(whole | manifest))

    def configure(self, **changes: Any) -> None:
        git = self.ready["git"]
        (self.room / "git-password").write_text(git["password"])
        (self.room / "key.json").write_text(json.dumps(self.ready["serviceKeys"]["default"]))
        login = {"username": git["username"], "password": {"file": "git-password"}}
        repository = {"name": "templates", "url": f"{git['url']}/templates.git", "credentials": login}
        tenant = {"name": "t", "serviceKey": {"file": "key.json"}, "repository": "templates"}
        tenant |= {"application": {"name": "main", "path": "templates"}}
        whole = {
            "owner": "team",
            "sources": [{"name": "flows", "directory": "flows"}],
            "repositories": [repository | {"window": "50ms"}],
            "tenants": [tenant | {"datastore": {"root": "s3://nowhere/metaflow"}}],
            "environments": [{"name": "dev", "tenant": "t", "resourceGroup": "default"}],
            "reconcile": QUICK,
            "http": {"port": 0},
            "cacheDir": "cache",
            "stateDir": "state",
        }
        self.config.write_text(yaml.safe_dump(whole | changes))


@contextmanager
def cli_world(room: Path) -> Iterator[CliWorld]:
    """A world with an empty source; ends with the block."""
    (room / "flows").mkdir()
    remote = make_remote(room / "git", "templates.git")
    command = [
        sys.executable,
        "-m",
        "aicore_sync.sandbox",
        "--die-with-parent",
        "--work",
        str(room / "sandbox"),
    ]
    command += ["--executor", "instant", "--sync-interval", "3600", "--git", str(room / "git")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ)) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line, "the sandbox ended before it was ready"
            made = CliWorld(room, json.loads(line), remote)
            made.configure()
            yield made
        finally:
            process.terminate()
            process.wait(10)
