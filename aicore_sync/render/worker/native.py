"""The dialect `native`: our compiler, which hands over what it makes by itself."""

# ruff: noqa: PTH112, PTH118, PTH207

from __future__ import annotations

import contextlib
import glob
import inspect
import os
import sys
from typing import Any, NoReturn

from .capture import Capture, Local, begin, load, settled, started
from .pack import read

_COMPILER = "metaflow_extensions.aicore_sync.plugins.aicore"
MODULES = ("metaflow.cli", "metaflow.includefile", "boto3.s3.transfer", "requests", f"{_COMPILER}.command")
VERSIONS = ("metaflow",)
_PLACE = os.path.join("metaflow_extensions", "aicore_sync")


def prepare(extension: str) -> None:
    """Show Metaflow our extension, unless the environment does: it takes two for a conflict.

    Raises ImportError when the environment has another version of it.
    """
    theirs = next((p for p in sys.path if os.path.isdir(os.path.join(p, _PLACE))), None)
    if theirs is None:
        sys.path.append(extension)
    elif _content(theirs) != _content(extension):
        raise ImportError(f"{theirs} holds another version of aicore-sync; install the service's, or none")


def _content(place: str) -> dict[str, bytes]:
    root = os.path.join(place, _PLACE)
    names = glob.glob("**/*.py", root_dir=root, recursive=True)
    return {name: read(os.path.join(root, name)) for name in names}


def library() -> bytes:
    """Metaflow and our extension, packed by the extension: the part of every package that no flow can change."""
    return bytes(load(f"{_COMPILER}.package").library())


def learn(path: str) -> str:
    """Have in memory before the first fork what each child would load; returns the library's name on the command
    line."""
    package = load(f"{_COMPILER}.package")
    package.head(path)
    package.library_files()
    load("metaflow.metaflow_version").get_version()  # it asks git, once
    # Metaflow reads each step like this, and the tokenizer compiles its patterns late.
    inspect.getblock(["def step(self):\n", "    pass\n"])  # our own file may lie behind the walls by now
    # Older Metaflow has loaded its commands by now, and asks git for nothing.
    commands = getattr(load("metaflow.plugins"), "get_plugin_cli_path", dict)
    for command in commands().values():
        with contextlib.suppress(ImportError):
            load(command.rpartition(".")[0])
    with contextlib.suppress(ImportError):  # it would start git for facts that no package of ours holds
        load("metaflow.metaflow_git").get_repository_info = lambda path: {}
    return path


def patch(capture: Capture, library: str) -> list[str]:
    """In the child, before the user's code runs; returns what to add to the command line."""
    head = load(f"{_COMPILER}.package").head(library).data

    def deliver(compiled: Any, _: Any) -> NoReturn:
        started(capture, compiled.flow)
        settled(capture, compiled.document)
        package = compiled.package  # of an embedded flow too: it tells what the code is, and is not uploaded
        capture.keep(package.kind, package.name, package.url, package.data.removeprefix(head))
        for item in (u for u in compiled.uploads if u.kind == "include"):
            capture.keep(item.kind, item.name, item.url, item.data)
        capture.packed = [name for name, _ in compiled.user_files]
        capture.finish(
            document=compiled.document,
            flow=compiled.flow,
            schedule=compiled.schedule,
            timezone=compiled.timezone,
            warnings=list(compiled.warnings),
            notes=[{"step": step, "text": text} for step, text in compiled.notes],
        )

    load(f"{_COMPILER}.delivery").deliver = deliver
    begin(capture, lambda flow: _refuse(capture, flow))
    return [f"--library={library}"]


def _refuse(capture: Capture, flow: Any) -> None:
    """What AI Core cannot do is refused before Metaflow asks for conda and the like."""
    told = [a for a in capture.job.arguments if a.startswith(("--branch", "--production"))]
    if told and "project" not in flow._flow_decorators:
        capture.fail(
            "the manifest has `project`, and the flow has no @project; add the one, or remove the other"
        )
    load(f"{_COMPILER}.refused").refuse(flow, flow._graph, Local, "s3")
