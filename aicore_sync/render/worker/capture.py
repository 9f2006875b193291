"""What a render brings up instead of uploading and printing it, and how it is handed over."""

# ruff: noqa: PTH118, PTH119, PTH123

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

MOST_OPENED = 10_000


def load(name: str) -> Any:
    return importlib.import_module(name)


@dataclass(frozen=True)
class Job:
    """The orders for one render. `result` is a descriptor; `marks` must not be found in the template.

    `packages` is a directory of modules for this flow alone, or "".
    """

    directory: str
    script: str
    flow: str | None
    root: str
    arguments: list[str]
    stubs: bool
    packages: str
    output: str
    result: int
    marks: tuple[str, ...]

    @classmethod
    def of(cls, facts: dict[str, Any], result: int, marks: tuple[str, ...]) -> Job:
        names = ("directory", "script", "flow", "root", "arguments", "stubs", "packages", "output")
        return cls(**{n: facts[n] for n in names}, result=result, marks=marks)

    def local(self, path: str) -> str | None:
        """`path` relative to the flow's directory, None when it is not the user's."""
        full = os.path.realpath(path)
        inside = full.startswith(self.directory + os.sep)
        return os.path.relpath(full, self.directory) if inside else None


class Opened:
    """The files below the flow's directory that the process opened or tried to, by name.

    They may shape the template: the flow is rendered again when one of them changes, appears or vanishes.
    """

    def __init__(self, directory: str) -> None:
        self._start = directory + os.sep
        self._names: set[str] = set()
        sys.addaudithook(self._hear)

    def _hear(self, event: str, facts: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(facts[0], str | bytes):
            return
        try:
            path = os.path.normpath(os.path.join(os.getcwd(), os.fsdecode(facts[0])))  # noqa: PTH109
        except OSError:  # the flow has removed its directory
            return
        if path.startswith(self._start) and len(self._names) <= MOST_OPENED:
            self._names.add(path[len(self._start) :])

    def names(self) -> list[str] | None:
        """None when they are too many to tell."""
        return sorted(self._names) if len(self._names) <= MOST_OPENED else None


class Capture:
    """What the render brought up; `finish` hands it over and ends the process."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.blobs: list[dict[str, str]] = []
        self.packed: list[str] = []
        self.asks: list[dict[str, str]] = []
        self.stubs: set[str] | None = None
        self.opened = Opened(job.directory)

    def keep(self, kind: str, name: str, url: str, blob: bytes) -> None:
        file = f"blob-{len(self.blobs)}"
        with open(os.path.join(self.job.output, file), "wb") as out:
            out.write(blob)
        self.blobs.append({"kind": kind, "name": name, "url": url, "file": file})

    def finish(self, **facts: Any) -> NoReturn:
        """Nothing of the user's runs after this: no exit handlers, no threads to wait for."""
        stubbed = {"stubbed": sorted(self.stubs)} if self.stubs else {}
        opened = {"opened": self.opened.names()}
        send(self.job.result, {"blobs": self.blobs, "packed": self.packed, **opened, **stubbed, **facts})
        os._exit(0)

    def fail(
        self,
        headline: str,
        message: str = "",
        frames: list[dict[str, Any]] | None = None,
        refused: bool = False,
    ) -> NoReturn:
        failure = {"headline": headline, "message": message, "frames": frames or [], "refused": refused}
        self.finish(failure=failure)

    def report(self, error: BaseException) -> NoReturn:
        """Whatever the user's code raised."""
        headline = "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()[-1]
        frames = user_frames(error, self.job)
        last = traceback.extract_tb(error.__traceback__)[-1:]
        inside = "".join(f"raised inside {_module(s.filename)}:{s.lineno}" for s in last if not frames)
        self.fail(headline, inside, frames)


def _module(file: str) -> str:
    """A file of Metaflow's or ours as one imports it: where environments lie on this machine is nobody's business."""
    places = sorted((p for p in sys.path if p and file.startswith(p + os.sep)), key=len)
    return os.path.relpath(file, places[-1]) if places else os.path.basename(file)


def send(descriptor: int, facts: dict[str, Any]) -> None:
    data = json.dumps(facts, sort_keys=True).encode()
    while data:
        data = data[os.write(descriptor, data) :]


def frame(file: str, line: int | None, function: str, text: str) -> dict[str, Any]:
    return {"file": file, "line": line or 0, "function": function, "text": text}


def user_frames(error: BaseException, job: Job) -> list[dict[str, Any]]:
    """The traceback through the user's files, outermost first; our frames and Metaflow's are cut."""
    steps = traceback.extract_tb(error.__traceback__)
    mine = [(job.local(s.filename), s) for s in steps]
    frames = [frame(name, s.lineno, s.name, s.line or "") for name, s in mine if name]
    if isinstance(error, SyntaxError) and error.filename and job.local(error.filename):
        frames.append(frame(job.local(error.filename) or "", error.lineno, "", (error.text or "").strip()))
    return frames[-20:]


def started(capture: Capture, name: str) -> None:
    """The flow called `name` runs; ends the process when another one was asked for."""
    wanted = capture.job.flow
    if wanted and name != wanted:
        message = f"The __main__ block starts {name}, and so would every step on AI Core."
        capture.fail(f"{wanted} is not the flow that this file runs", message)


def settled(capture: Capture, document: Any) -> None:
    """Ends the process when a marker of `settings` is left in the document."""
    text = json.dumps(document)
    if any(mark in text for mark in capture.job.marks):
        capture.finish(unsettled=True)


class Local:
    """The environment that every render has, as Metaflow's classes of environments tell their names."""

    TYPE = "local"


def begin(capture: Capture, before: Callable[[Any], None]) -> None:
    """`before` sees the flow when it starts. And Metaflow makes the options that read a flow's `Config`s and those of
    its decorators (`@project`) when its command line is imported, which it expects to happen after the flow was
    defined."""
    cli = load("metaflow.cli")
    first = cli.main

    def main(flow: Any, *more: Any, **named: Any) -> Any:
        try:
            before(flow)
        except load("metaflow.exception").MetaflowException as error:
            cli.print_metaflow_exception(error)
        if not _has_options(flow):
            return first(flow, *more, **named)
        importlib.reload(cli)
        failures(capture)
        return cli.main(flow, *more, **named)

    cli.main = main


def _has_options(flow: Any) -> bool:
    if any(decorator.options for several in flow._flow_decorators.values() for decorator in several):
        return True
    return any(getattr(p, "IS_CONFIG_PARAMETER", False) for _, p in flow._get_parameters())


def failures(capture: Capture) -> None:
    """Metaflow prints its errors for a terminal and exits; take them as they are raised."""
    cli = load("metaflow.cli")
    click = load("metaflow._vendor.click.exceptions")

    def known(error: Any) -> NoReturn:
        frames = [] if error.line_no is None else [frame(capture.job.script, error.line_no, "", "")]
        refused = type(error).__name__ == "NotOnAICore"
        capture.fail(error.headline, str(error.message), frames or user_frames(error, capture.job), refused)

    cli.print_metaflow_exception = known
    cli.print_unknown_exception = capture.report
    for kind in (click.ClickException, click.UsageError):
        kind.show = lambda self, file=None: capture.fail(self.format_message())
