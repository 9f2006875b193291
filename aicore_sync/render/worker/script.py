"""Runs the user's script as `python SCRIPT ...` would, with Metaflow made to hand over what it makes."""

# ruff: noqa: PTH118, PTH120, PTH123

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
import types
from typing import Any, NoReturn

from . import pack
from .capture import Capture, Job, failures, send, user_frames
from .stubs import Finder


def render(job: Job, dialect: Any, library: Any) -> NoReturn:
    """Ends in a template, in a failure, or without either; always with the process.

    `dialect` is the module `native` or `plugin`, `library` what its `learn` returned.
    """
    assert library is not None, "the parent was told no library"
    capture = Capture(job)
    failures(capture)
    _execute(capture, [*job.arguments, *dialect.patch(capture, library)])


def _execute(capture: Capture, arguments: list[str]) -> NoReturn:
    job = capture.job
    path = os.path.join(job.directory, job.script)
    module = types.ModuleType("__main__")
    module.__file__ = path
    sys.modules["__main__"] = module
    sys.argv = [job.script, *arguments]
    sys.path.insert(0, os.path.dirname(path))
    os.chdir(os.path.dirname(path))
    sys.path += [job.packages] if job.packages else []
    if job.stubs:
        finder = Finder(job.directory)
        capture.stubs = finder.answered
        sys.meta_path.append(finder)
    try:
        exec(compile(pack.read(path), path, "exec"), module.__dict__)  # noqa: S102
    except SystemExit as end:
        if end.code not in (None, 0):
            capture.fail(f"the script ended itself with exit code {end.code}", "", user_frames(end, job))
    except BaseException as error:  # whatever the user's code raises
        capture.report(error)
    base = importlib.import_module("metaflow").FlowSpec
    flows = [
        n for n, v in vars(module).items() if isinstance(v, type) and issubclass(v, base) and v is not base
    ]
    capture.fail("no template was produced", "flows:" + ",".join(flows))


def describe(dialect: Any, output: str, result: int) -> None:
    """Versions of what shapes a template, and the packed library part for all renders to come."""
    with open(os.path.join(output, "library"), "wb") as file:
        file.write(dialect.library())
    named = {n: importlib.metadata.version(n) for n in dialect.VERSIONS}
    send(result, {"python": pack.PYTHON, **named})
