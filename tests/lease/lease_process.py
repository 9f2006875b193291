"""One replica and nothing but its seat, as a process: lease_process.py NAME LEASE DURATION RENEW_DEADLINE RETRY"""

from __future__ import annotations

import asyncio
import random
import sys
from datetime import UTC, datetime

from aicore_sync.app.share import boot_clock
from aicore_sync.lease import Clocks, SeatOptions, Seats, in_kubernetes


async def main(name: str, lease: str, *times: str) -> None:
    duration, renew_deadline, retry = map(float, times)
    options = SeatOptions((lease,), name, "", duration, renew_deadline, retry)
    async with in_kubernetes(None, renew_deadline / 3, lambda: datetime.now(UTC)) as leases:
        await Seats(leases, options, Clocks(boot_clock, random.SystemRandom())).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
