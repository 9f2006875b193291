"""Replicas: how late another one takes over, how even the work is, and what one process costs.

usage: python bench/replicas.py [--kills 3] [--templates 20] [--program .venv/bin/aicore-sync]

balance    how shards of 20 different sets of names spread over 2 to 10 replicas; computed, nothing is started
process    one process with so many templates that are live: seconds from its start until its window answers and it has
           read its source, its memory without renders, seconds until it has stopped. `--program` names its environment,
           best one with what the image installs: deploy/image/service.lock
take-over  two of them with the times that they have by default; the one that holds the Lease is killed with SIGKILL,
           and another takes it, as the Kubernetes API sees it, and then the lock in git, as its log says

Git, the sandbox and the small Kubernetes API of the tests are on loopback. A kill takes about 50 seconds; 0 leaves a
part out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "controller")]

from controller_world import EXECUTABLE, HOURLY  # noqa: E402
from test_replicas import Cluster, Replica, cluster  # noqa: E402

from aicore_sync.core.shards import seat_of  # noqa: E402

SEATS = [f"shard-{number}" for number in range(10)]
SETS = 20


def balance(shards: int) -> None:
    """Prints how a number of shards spreads."""
    print(
        f"{shards} shards: replicas, fewest of one, most of one, the same above its share, moved by the last"
    )
    for count in range(2, len(SEATS) + 1):
        loads: list[int] = []
        moved = 0
        for names in ([f"{number}-{shard}" for shard in range(shards)] for number in range(SETS)):
            before, now = ([seat_of(name, SEATS[:n]) for name in names] for n in (count - 1, count))
            loads += [now.count(seat) for seat in SEATS[:count]]
            moved += sum(one != other for one, other in zip(before, now, strict=True))
        above = max(loads) / (shards / count) - 1
        print(f"  {count:2}  {min(loads):4}  {max(loads):4}  {above:4.0%}  {moved / SETS:6.1f}")


async def process(c: Cluster, templates: int) -> None:
    """Prints what one process costs whose templates are all live."""
    for number in range(templates):
        c.world.write(f"flow-{number}", schedule=HOURLY)
    await stop(await live(c, "a", templates))
    began = time.monotonic()
    replica = await c.start("a")
    seconds, cpu = time.monotonic() - began, cpu_of(replica.process.pid)
    await c.until(lambda: all_live(replica, templates), "live again")
    memory = memory_of(replica.process.pid)
    print(
        f"process: {templates} templates, ready after {seconds:.1f} s ({cpu:.1f} s of CPU), {memory}, ",
        end="",
    )
    print(f"stopped after {await stop(replica):.1f} s")


async def live(c: Cluster, name: str, templates: int) -> Replica:
    replica = await c.start(name)
    await c.until(lambda: all_live(replica, templates), "all templates are live")
    return replica


async def all_live(replica: Replica, templates: int) -> bool:
    return list((await replica.statuses(own=True)).values()).count("Healthy") == 2 * templates


async def stop(replica: Replica) -> float:
    """Seconds that it takes."""
    began = time.monotonic()
    replica.signal(signal.SIGTERM)
    assert await replica.process.wait() == 0
    return time.monotonic() - began


def cpu_of(pid: int) -> float:
    """Seconds that the process itself has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> str:
    """Of the process alone, as Linux counts it."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kilobytes = {name: int(value) for name, value in re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE)}
    own = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
    return f"{kilobytes['Rss'] / 1024:.0f} MB resident ({own / 1024:.0f} MB its own)"


async def take_overs(c: Cluster, kills: int) -> None:
    """Prints one line for each kill."""
    c.world.write("flow-0", schedule=HOURLY)
    for name in ("a", "b"):
        await c.start(name)
    for _ in range(kills):
        before = await c.holder()
        # Who has just started counts from its first look, which may be late by one renewal.
        enough = renewals(c, before.name) + 2
        await c.until(
            lambda name=before.name, least=enough: renewals(c, name) >= least, "both see it renewed"
        )
        before.signal(signal.SIGKILL)
        await c.until(lambda old=before: c.by_address("shard-0") not in (old, None), "another takes over")
        after = await c.holder()
        last = max(write.at for write in c.api.writes if write.client == before.name)
        taken = c.api.takings("shard-0")[-1]
        lease, lock = await told(c, after)
        print(
            f"take-over: Lease {taken.at - last:.2f} s after the last renewal, lock {lock - lease:.2f} s later"
        )
        await before.process.wait()
        await c.start(before.name)


def renewals(c: Cluster, name: str) -> int:
    return sum(write.client == name and write.holder != "" for write in c.api.writes)


async def told(c: Cluster, replica: Replica) -> tuple[float, float]:
    """When it took the Lease and the lock for the last time, by its log."""
    times: dict[str, float] = {}

    def both() -> bool:
        for line in replica.log.read_text().splitlines():
            entry = json.loads(line) if line.startswith("{") else {}
            if entry.get("event") in ("lease_acquired", "lock_acquired"):
                times[entry["event"]] = datetime.fromisoformat(entry["timestamp"]).timestamp()
        return times.get("lock_acquired", 0.0) > times.get("lease_acquired", 0.0)

    await c.until(both, "it takes the lock")
    return times["lease_acquired"], times["lock_acquired"]


async def main(program: Path, templates: int, kills: int) -> None:
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {program}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}"
    )
    for shards in (1000, 20):
        balance(shards)
    for what, number in ((process, templates), (take_overs, kills)):
        if not number:
            continue
        with tempfile.TemporaryDirectory() as room:
            async with cluster(Path(room)) as c:
                c.times, c.program = {}, program
                await what(c, number)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--templates", type=int, default=20)
    parser.add_argument("--program", type=Path, default=EXECUTABLE)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.program, arguments.templates, arguments.kills))
