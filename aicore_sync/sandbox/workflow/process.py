"""One process group: start it, hand on its lines as they come, end it in time and without remains."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_LONGEST_LINE = 64 * 1024
_LAST_WORDS = 1.0  # seconds that children of an ended command get to write what they hold


@dataclass(frozen=True)
class Command:
    """`argv` with the environment `env`; `deadline` in seconds or None."""

    argv: Sequence[str]
    env: Mapping[str, str]
    deadline: float | None = None


@dataclass(frozen=True)
class Ended:
    """`exit_code` is 128 + n when signal n ended it, as Kubernetes shows it; `timed_out`: the deadline did."""

    exit_code: int
    timed_out: bool


async def run_command(command: Command, on_line: Callable[[str, str], None]) -> Ended:
    """Run to the end; `on_line(stream, line)` is called for every line at the time it is written.

    Whatever happens (end, deadline, cancellation) the whole process group is gone afterwards.
    Raises OSError when the process cannot be started at all.
    """
    process = await asyncio.create_subprocess_exec(
        *command.argv,
        env=dict(command.env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
        limit=_LONGEST_LINE,
    )
    assert process.stdout
    assert process.stderr
    readers = [
        asyncio.create_task(_read_lines(process.stdout, "stdout", on_line)),
        asyncio.create_task(_read_lines(process.stderr, "stderr", on_line)),
    ]
    try:
        timed_out = not await _ended_within(process, command.deadline)
        if not timed_out:
            await asyncio.wait(readers, timeout=_LAST_WORDS)
    finally:
        await _end_group(process, readers)
    code = process.returncode if process.returncode is not None else -signal.SIGKILL
    return Ended(code if code >= 0 else 128 - code, timed_out)


async def _ended_within(process: Process, deadline: float | None) -> bool:
    try:
        async with asyncio.timeout(deadline):
            await process.wait()
    except TimeoutError:
        return False
    return True


async def _end_group(process: Process, readers: Sequence[asyncio.Task[None]]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    # A process that left the group may still hold the pipe: do not wait for it.
    await asyncio.wait(readers, timeout=_LAST_WORDS)
    for reader in readers:
        reader.cancel()
    await process.wait()


async def _read_lines(stream: asyncio.StreamReader, name: str, on_line: Callable[[str, str], None]) -> None:
    rest = b""
    while chunk := await stream.read(_LONGEST_LINE):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            on_line(name, line.decode(errors="replace").rstrip("\r"))
        if len(rest) >= _LONGEST_LINE:
            on_line(name, rest.decode(errors="replace"))
            rest = b""
    if rest:
        on_line(name, rest.decode(errors="replace"))
