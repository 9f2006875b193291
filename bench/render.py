"""Renders per second: the cold command line against our warm parent, with and without upload, in both dialects.

usage: python bench/render.py [--flows 50] [--parallel 2] [--cold 50] [--dialect native|plugin]

Flows of five shapes (linear, branch, foreach, a join of 16, parameters with an included file), each in a directory
of its own. The command line (`aicore create` of our extension, `argo create` of SAP's plugin) uploads; its object
store, moto on loopback, is also ours. The rows are measured in the same run, so their ratio holds on a busy machine
too; every row says its goal, and whether it was met. The time of one render is split into its stages. Takes some
minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from platformdirs import user_cache_path

from aicore_sync.datastore import DataStore, DataStoreOptions, StoreKeys
from aicore_sync.render import Dialect, Environment, Rendered, Renderer, RenderJob, RenderOptions, workers
from aicore_sync.render.child import Room
from aicore_sync.render.environments import environment_python
from aicore_sync.render.extension import shown
from aicore_sync.render.parent import Parent
from aicore_sync.telemetry import Masker, configure_logging

IMAGE = "registry.example/flows:1"
ROUNDS = 5
# Goals: renders per second, as a multiple of the command line's; of one render by itself; of memory.
FASTER = {"warm, no upload": 20.0, "warm, upload": 12.0}
P50_MS, PARENT_MB, CHILD_MB = 60.0, 100.0, 20.0
Call = Callable[[Path], Awaitable[object]]
KEY, SECRET, REGION = "sandbox", "sandbox-secret", "us-east-1"


def step(name: str, *lines: str, inputs: bool = False) -> str:
    body = "".join(f"        {line}\n" for line in lines)
    return f"    @step\n    def {name}(self{', inputs' if inputs else ''}):\n{body}\n"


def flow(name: str, *steps: str, top: str = "") -> str:
    end = step("end", "pass")
    return (
        f"from metaflow import *\n\nclass {name}(FlowSpec):\n{top}\n{''.join(steps)}{end}"
        f'\nif __name__ == "__main__":\n    {name}()\n'
    )


def split(name: str, width: int) -> str:
    names = [f"part_{n}" for n in range(width)]
    parts = [step(n, "self.next(self.gather)") for n in names]
    start = step("start", f"self.next({', '.join(f'self.{n}' for n in names)})")
    return flow(name, start, *parts, step("gather", "self.next(self.end)", inputs=True))


SHAPES = {
    "linear": flow("LinearFlow", step("start", "self.next(self.end)")),
    "branch": split("BranchFlow", 2),
    "foreach": flow(
        "ForeachFlow",
        step("start", "self.items = [1, 2]", "self.next(self.work, foreach='items')"),
        step("work", "self.next(self.gather)"),
        step("gather", "self.next(self.end)", inputs=True),
    ),
    "wide": split("WideFlow", 16),
    "parameters": flow(
        "ParameterFlow",
        step("start", "self.next(self.end)"),
        top='    word = Parameter("word", default="w")\n    data = IncludeFile("data", default="data.csv")\n',
    ),
}


@dataclass(frozen=True)
class Bench:
    """What all measurements share."""

    dialect: Dialect
    python: Path
    endpoint: str
    parallel: int
    extension: Path


def written(place: Path, count: int) -> list[Path]:
    """`count` flow directories of all shapes in turn; no two hold the same files."""
    made = []
    for number in range(count):
        directory = place / f"flow-{number}"
        directory.mkdir(parents=True)
        text = list(SHAPES.values())[number % len(SHAPES)]
        (directory / "flow.py").write_text(f"# {number}\n{text}")
        (directory / "data.csv").write_text(f"{number}\n")
        made.append(directory)
    return made


async def at_once(width: int, calls: Sequence[Callable[[], Awaitable[object]]]) -> tuple[float, list[float]]:
    """Seconds for all calls, `width` at a time, and for each."""
    slots, each = asyncio.Semaphore(width), []

    async def one(call: Callable[[], Awaitable[object]]) -> None:
        async with slots:
            begin = time.perf_counter()
            await call()
            each.append(time.perf_counter() - begin)

    begin = time.perf_counter()
    await asyncio.gather(*map(one, calls))
    return time.perf_counter() - begin, each


def spent(pid: int) -> float:
    """CPU seconds of this process, of its children that have ended, and of parent `pid` with its own."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(os.times()[:4]) + sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Row:
    """One way to render, measured in several rounds."""

    name: str
    seconds: float = 0.0
    cpu: float = 0.0
    each: list[float] = field(default_factory=list)

    async def measure(self, width: int, calls: list[Callable[[], Awaitable[object]]], parent: int) -> None:
        before = spent(parent)
        seconds, each = await at_once(width, calls)
        self.seconds += seconds
        self.cpu += spent(parent) - before
        self.each += each

    def rate(self) -> float:
        return len(self.each) / self.seconds

    def work(self) -> float:
        return self.cpu / len(self.each)


async def cold(bench: Bench, directory: Path) -> None:
    """What a person types, in a directory of its own prefix."""
    name, pipe = directory.name, asyncio.subprocess.PIPE
    with_ = f"--with=kubernetes:secrets=store,image={IMAGE}"
    commands: dict[str, tuple[str, ...]] = {
        "native": ("aicore", f"--name={name}", "create", f"--image={IMAGE}", "--secret=store"),
        "plugin": (with_, "argo", f"--name={name}", "create", "--only-json"),
    }
    command = (str(bench.python), "flow.py", "--no-pylint", *commands[bench.dialect])
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(bench.extension) if bench.dialect == "native" else "",
        "METAFLOW_USER": "bench",
        "METAFLOW_HOME": "/nonexistent",
        "METAFLOW_DEFAULT_DATASTORE": "s3",
        "METAFLOW_DATASTORE_SYSROOT_S3": f"s3://bench/{bench.dialect}/cold/{name}",
        "METAFLOW_S3_ENDPOINT_URL": bench.endpoint,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "PYTHONHASHSEED": "0",
    }
    process = await asyncio.create_subprocess_exec(*command, env=env, cwd=directory, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert json.loads(out)["kind"] == "WorkflowTemplate"


def job(bench: Bench, directory: Path, prefix: str) -> RenderJob:
    root = f"s3://bench/{bench.dialect}/{prefix}"
    more = {"image": IMAGE, "secrets": ("store",), "dialect": bench.dialect}
    return RenderJob(directory, "flow.py", root, directory.name, **more)  # type: ignore[arg-type]


async def uploaded(store: DataStore, rendered: Rendered) -> None:
    for upload in rendered.uploads:
        assert await store.ensure(upload)


def family(pid: int) -> list[int]:
    found: list[int] = []
    for place in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, place.read_text().split()):
            found += [child, *family(child)]
    return found


def memory(pid: int, *keys: str) -> float:
    """MB, summed over the keys of smaps_rollup; 0 when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(keys)) / 1024


class Watch(threading.Thread):
    """The largest private memory of any child of `pid`, looked at all the time."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.most, self.over = pid, 0.0, threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.001):
            try:
                found = [memory(p, "Private_Clean", "Private_Dirty") for p in family(self.pid)]
            except OSError:
                continue
            self.most = max([self.most, *found])


class Stages:
    """Seconds spent in the parts of renders, which come one after the other while it looks."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for owner, name, stage in (
                (Room, "prepare", "copy into a room"),
                (Parent, "run", "child"),
                (workers, "_taken", "verify"),
                (shutil, "rmtree", "remove the room"),
            ):
                stack.enter_context(mock.patch.object(owner, name, self._timed(getattr(owner, name), stage)))
            yield

    def _timed(self, work: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def add(begin: float) -> None:
            self.spent[stage] = self.spent.get(stage, 0.0) + time.perf_counter() - begin

        def timed(*given: Any, **named: Any) -> Any:
            begin = time.perf_counter()
            try:
                return work(*given, **named)
            finally:
                add(begin)

        async def waited(*given: Any, **named: Any) -> Any:
            begin = time.perf_counter()
            try:
                return await work(*given, **named)
            finally:
                add(begin)

        return waited if asyncio.iscoroutinefunction(work) else timed

    def line(self, each: list[float]) -> str:
        """Milliseconds of an average render by stage."""
        rest = sum(each) - sum(self.spent.values())
        parts = [*self.spent.items(), ("rest: threads, pipes, waiting", rest)]
        return "; ".join(f"{stage} {seconds / len(each) * 1000:.1f} ms" for stage, seconds in parts)


def judged(value: float, goal: float, *, most: bool) -> str:
    """A goal in words, and whether it was met."""
    good = value <= goal if most else value >= goal
    return f"goal {'≤' if most else '≥'} {goal:g}: {'met' if good else 'MISSED'}"


async def measure(bench: Bench, room: Path, options: argparse.Namespace) -> None:
    slow = written(room / "cold", options.cold)
    fast = written(room / "warm", options.flows)
    environments = {bench.dialect: Environment(bench.python)}
    renderer = Renderer(
        RenderOptions(room / "cache", bench.dialect, bench.parallel, environments=environments)
    )
    begin = time.perf_counter()
    await renderer.start()
    ready = time.perf_counter() - begin
    parent = renderer._toolchains._known[bench.dialect, ""].workers._warm
    assert parent is not None
    await renderer.render(job(bench, fast[0], "first"))
    rows = await in_turn(bench, renderer, (slow, fast), parent.pid)
    _, single = await at_once(1, [partial(renderer.render, job(bench, d, "one")) for d in fast])
    stages = Stages()
    with stages.looking():
        _, split_up = await at_once(1, [partial(renderer.render, job(bench, d, "split")) for d in fast])
    rss = memory(parent.pid, "Rss")
    watch = Watch(parent.pid)
    watch.start()
    await at_once(1, [partial(renderer.render, job(bench, d, "watched")) for d in fast])
    watch.over.set()
    await renderer.aclose()
    print_table(rows, bench)
    p50 = statistics.median(single) * 1000
    print(f"one render, nothing beside it: p50 {p50:.0f} ms ({judged(p50, P50_MS, most=True)}), ", end="")
    print(f"slowest {max(single) * 1000:.0f} ms; start of the parent {ready:.1f} s (once)")
    print(f"where the time of one goes: {stages.line(split_up)}")
    print(f"memory: parent {rss:.0f} MB resident ({judged(rss, PARENT_MB, most=True)}), ", end="")
    print(f"child at most {watch.most:.1f} MB private ({judged(watch.most, CHILD_MB, most=True)})\n")


async def in_turn(
    bench: Bench, renderer: Renderer, flows: tuple[list[Path], list[Path]], parent: int
) -> list[Row]:
    """The three ways, round by round, so that a neighbour on the machine slows all of them alike."""
    place = DataStoreOptions("s3://bench", endpoint=bench.endpoint, region=REGION)
    store = DataStore(place, lambda: StoreKeys(KEY, SECRET))
    slow, fast = flows

    async def with_upload(directory: Path) -> None:
        await uploaded(store, await renderer.render(job(bench, directory, "up")))

    rows = [Row(name) for name in ("cold CLI, upload", "warm, no upload", "warm, upload")]
    calls: tuple[Call, ...] = (
        lambda d: cold(bench, d),
        lambda d: renderer.render(job(bench, d, "dry")),
        with_upload,
    )
    for n in range(ROUNDS):
        for row, directories, call in zip(rows, (slow, fast, fast), calls, strict=True):
            await row.measure(bench.parallel, [partial(call, d) for d in directories[n::ROUNDS]], parent)
    return rows


def print_table(rows: list[Row], bench: Bench) -> None:
    first = rows[0]
    print(
        f"{bench.dialect}: {bench.parallel} renders at a time, {os.cpu_count()} cores; ratios to the first row"
    )
    heads = ("flows", "seconds", "per s", "ratio", "p50 ms", "CPU ms", "ratio")
    print(f"{'':18}" + "".join(f"{head:>9}" for head in heads))
    for row in rows:
        count = len(row.each)
        ratio, work = row.rate() / first.rate(), first.work() / row.work()
        p50 = statistics.median(row.each) * 1000
        print(f"{row.name:18}{count:9}{row.seconds:9.2f}{row.rate():9.1f}{ratio:9.1f}{p50:9.0f}", end="")
        goal = FASTER.get(row.name)
        said = judged(ratio, goal, most=False) if goal else ""
        print(f"{row.work() * 1000:9.0f}{work:9.1f}  {said}".rstrip())


async def main(options: argparse.Namespace) -> None:
    configure_logging("error", "json", masker=Masker())
    shared = RenderOptions(user_cache_path("aicore-sync"))
    command = (sys.executable, "-m", "aicore_sync.sandbox.objectstore", "--bucket", "bench")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        endpoint = json.loads(await process.stdout.readline())["endpoint"]
        for dialect in options.dialect or ("native", "plugin"):
            python = await environment_python(shared, dialect)
            with tempfile.TemporaryDirectory(prefix="aicore-sync-bench-") as room:
                extension = shown(Path(room) / "extension")
                bench = Bench(dialect, python, endpoint, options.parallel, extension)
                await measure(bench, Path(room), options)
    finally:
        process.terminate()
        await process.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flows", type=int, default=50)
    parser.add_argument("--cold", type=int, default=50)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--dialect", action="append", choices=("native", "plugin"))
    asyncio.run(main(parser.parse_args()))
