"""A replica and nothing but its seat, as a process: lease_process.py NAME LEASES DURATION RENEW_DEADLINE RETRY"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from lease_api import LeaseApi

from aicore_sync.app.share import boot_clock
from aicore_sync.lease import Clocks, SeatOptions, Seats, in_kubernetes

DEADLINE = 120.0


@contextmanager
def replica(api: LeaseApi, name: str, options: SeatOptions) -> Iterator[subprocess.Popen[bytes]]:
    """Such a process; killed at the end of the block."""
    times = (str(value) for value in (options.duration, options.renew_deadline, options.retry))
    command = [sys.executable, __file__, name, ",".join(options.seats), *times]
    path = os.pathsep.join(filter(None, sys.path))
    environment = {**os.environ, **api.environment(name), "PYTHONPATH": path}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def until(true: Callable[[], object]) -> None:
    """Look again and again."""
    ends = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < ends, "not in time"
        time.sleep(0.02)


async def main(name: str, leases: str, *times: str) -> None:
    duration, renew_deadline, retry = map(float, times)
    options = SeatOptions(tuple(leases.split(",")), name, "", duration, renew_deadline, retry)
    async with in_kubernetes(None, renew_deadline / 3, lambda: datetime.now(UTC)) as opened:
        await Seats(opened, options, Clocks(boot_clock, random.SystemRandom())).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
