"""Which part of the work is this process's: all of it, or with Leases what its seat gets."""

from __future__ import annotations

import asyncio
import math
import os
import random
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress

from aicore_sync.app.board import now
from aicore_sync.config import Replicas, Settings
from aicore_sync.controller.estate import Estate
from aicore_sync.core.model import Key
from aicore_sync.core.plan.registration import normal_url
from aicore_sync.core.seats import Record
from aicore_sync.core.shards import seat_of, shards
from aicore_sync.git import NoSeat, Seat
from aicore_sync.lease import Clocks, SeatOptions, Seats, in_kubernetes

TELL = 2.0  # seconds between two messages to the other replicas


class Share:
    """The branches that this process works on. Without seats: all, always."""

    def __init__(
        self, shards: Mapping[str, str], seats: Seats | None = None, pause: float = math.inf
    ) -> None:
        self._shards = shards
        self.seats = seats
        self._pause = pause  # what only the time changes is looked at this often
        self._told = asyncio.Event()

    @property
    def seat(self) -> Seat:
        """What entitles this process to hold locks."""
        return self.seats or NoSeat()

    def has(self, branch: str) -> bool:
        """Whether that branch, by the name of its repository, is this process's to work on."""
        if self.seats is None:
            return True
        mine = self.seats.mine
        return mine is not None and seat_of(self._shards[branch], self.seats.counted()) == mine

    def works_on(self, key: Key, estate: Estate) -> bool:
        """Whether passes of that key are this process's. What belongs to no branch goes with the first."""
        if self.seats is None:
            return True
        return self.has(estate.home_of(key) or min(self._shards))

    async def until(self, branch: str, wanted: bool) -> None:
        """Until `has` gives that answer."""
        while self.has(branch) is not wanted:
            await self._news()

    async def _news(self) -> None:
        if self.seats is None:
            await asyncio.Event().wait()
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause):
                    await self.seats.news()

    async def tell(self) -> None:
        """Have the other replicas look soon: something was asked of this one."""
        self._told.set()

    async def telling(self) -> None:
        """Pass on what `tell` was called for, many calls at once, until cancelled."""
        while self.seats is not None:
            await self._told.wait()
            self._told.clear()
            await self.seats.nudge()
            await asyncio.sleep(TELL)

    def others(self) -> Mapping[str, Record]:
        """Who else holds a seat."""
        if self.seats is None:
            return {}
        mine = self.seats.mine
        return {name: record for name, record in self.seats.holders().items() if name != mine}


async def share_of(settings: Settings, holder: str | None, stack: AsyncExitStack) -> Share:
    """The share of a service whose name is `holder`; None for a process that works alone, whatever the settings say.

    Raises Stalled when the Leases can not be asked for.
    """
    addresses = {item.name: normal_url(item.url) for item in settings.repositories}
    parts = shards(addresses, [[tenant.repository] for tenant in settings.tenants])
    part = settings.replicas
    if holder is None or not part.names:
        return Share(parts)
    leases = in_kubernetes(part.namespace, request_timeout(part), now)
    await stack.enter_async_context(leases)
    options = SeatOptions(
        seats=part.names,
        me=holder,
        address=_address(settings),
        duration=part.duration,
        renew_deadline=part.renew_deadline,
        retry=part.retry,
    )
    return Share(parts, Seats(leases, options, Clocks(boot_clock, random.SystemRandom())), part.retry)


def request_timeout(part: Replicas) -> float:
    """Seconds for one request to the Kubernetes API: a lost answer leaves time for two more tries, and delays no
    take-over by more than a usual `retry`.
    """
    return min(5.0, part.renew_deadline / 3)


def boot_clock() -> float:
    """Seconds on a clock that runs while the machine sleeps, where the system has one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _address(settings: Settings) -> str:
    """Where the other replicas find our window, "" when nobody said."""
    host = settings.replicas.address or os.environ.get("POD_IP", "")
    if not host:
        return ""
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.http.port}"
