"""Runs git commands: GitPython over the git binary, in a thread, in a process group of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import git
from git.exc import GitCommandNotFound

from aicore_sync.core.errors import Stalled, SyncError, Transient
from aicore_sync.git import environment
from aicore_sync.git.failures import Broken, explain, words
from aicore_sync.git.options import Remote
from aicore_sync.git.signatures import Setup

# Called in the thread: the variables of a command, and the secrets in them that no message may show.
Surroundings = Callable[[], tuple[Mapping[str, str], tuple[str, ...]]]
COMMAND_NOT_FOUND = 127  # env(1) could not find the program that it should start


@dataclass(frozen=True)
class Answer:
    """What a command left behind; `error` is free of secrets."""

    code: int
    output: bytes
    error: str


@dataclass
class Call:
    """One git command. `run` blocks; `kill` may be called from another thread at any time."""

    directory: Path
    arguments: Sequence[str]
    stdin: bytes
    timeout: float
    _process: subprocess.Popen[bytes] | None = None
    _killed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, variables: Mapping[str, str]) -> tuple[int, bytes, bytes]:
        """Exit code, output and error output; raises `subprocess.TimeoutExpired`."""
        process = self._start({**variables, "GIT_DIR": str(self.directory)})
        try:
            output, error = process.communicate(self.stdin, timeout=self.timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            process.communicate()
            raise
        return process.returncode, output, error

    def _start(self, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
        # GitPython adds to the ambient environment and cannot take anything away: env(1) does, by name.
        removed = [word for name in environment.unwanted(os.environ, variables) for word in ("-u", name)]
        with self._lock:
            if self._killed:
                raise subprocess.TimeoutExpired("git", 0)
            started = git.Git(self.directory.parent).execute(
                ["env", *removed, "git", *self.arguments],
                istream=subprocess.PIPE,
                as_process=True,
                env=dict(variables),
                start_new_session=True,
            )
            assert started.proc is not None
            self._process = started.proc
            started.proc = None  # from here on its end is our business, not the destructor's
            return self._process

    def kill(self) -> None:
        """End the command and everything that it started."""
        with self._lock:
            self._killed = True
            if self._process is not None and self._process.returncode is None:
                os.killpg(self._process.pid, signal.SIGKILL)


class Runner:
    """Runs the commands of one clone; the caller sees to it that only one runs at a time."""

    def __init__(self, remote: Remote, directory: Path) -> None:
        self._remote = remote
        self._directory = directory
        # A thread of its own: a remote that does not answer takes none from the scans and the other clones.
        self._thread = ThreadPoolExecutor(1, f"git-{remote.name}")

    async def local(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """A command that stays on this machine; any failure is `Broken`."""
        call = Call(self._directory, arguments, stdin, self._remote.timeout)
        answer = await self._in_thread(call, lambda: (environment.offline(), ()))
        if answer.code:
            raise Broken(f"git {arguments[0]} failed in the local clone: {words(answer.error)}")
        return answer.output

    async def with_keys(self, setup: Setup, *arguments: str, stdin: bytes = b"") -> Answer:
        """A command that makes or checks signatures; its failure is the caller's to understand."""
        call = Call(self._directory, arguments, stdin, self._remote.timeout)
        variables = {**environment.offline(setup.config), **setup.variables}
        return await self._in_thread(call, lambda: (variables, ()))

    async def network(self, *arguments: str, stdin: bytes = b"", failing: bool = True) -> Answer:
        """A command that talks to the remote; raises what its words mean unless `failing` is False."""
        operation = verb(arguments)
        call = Call(self._directory, arguments, stdin, self._patience(operation))
        started = time.perf_counter()
        result = "ok"
        try:
            answer = await self._in_thread(call, self._online)
            if answer.code and failing:
                raise explain(operation, self._remote.url, answer.error)
            return answer
        except Exception as error:
            result = error.reason if isinstance(error, SyncError) else type(error).__name__
            raise
        finally:
            self._remote.observe(operation, result, time.perf_counter() - started)

    def _patience(self, operation: str) -> float:
        """Seconds; a push ends before what entitles us to it does."""
        if operation != "push":
            return self._remote.timeout
        left = self._remote.left()
        if left <= 0:
            raise Transient(f"no push to {self._remote.name}: this process holds no Lease", reason="LockLost")
        return min(self._remote.timeout, left)

    def _online(self) -> tuple[Mapping[str, str], tuple[str, ...]]:
        login = self._remote.credentials()
        return environment.online(self._remote, login), environment.secrets(login, self._remote.network)

    async def _in_thread(self, call: Call, surroundings: Surroundings) -> Answer:
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._blocking, call, surroundings)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            # The clone's lock must not be let go while git still works in it.
            call.kill()
            await asyncio.wait([work])
            if not work.cancelled():
                work.exception()
            raise

    def _blocking(self, call: Call, surroundings: Surroundings) -> Answer:
        variables, hidden = surroundings()
        try:
            code, output, error = call.run(variables)
        except subprocess.TimeoutExpired:
            raise Transient(
                f"git {verb(call.arguments)} of repository {self._remote.name} gave no answer within "
                f"{call.timeout:g} s; it is tried again",
                reason="Timeout",
                ambiguous=verb(call.arguments) == "push",
            ) from None
        except GitCommandNotFound:
            raise _missing("env") from None
        if code == COMMAND_NOT_FOUND:
            raise _missing("git")
        return Answer(code, output, environment.mask(error.decode(errors="replace"), hidden))


def verb(arguments: Sequence[str]) -> str:
    """The git command among its arguments: options `-c NAME=VALUE` may stand before it."""
    return verb(arguments[2:]) if arguments[0] == "-c" else arguments[0]


def _missing(program: str) -> Stalled:
    return Stalled(
        f"the program {program} was not found; install it, or put it on the PATH", reason="GitMissing"
    )
