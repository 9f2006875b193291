"""Fires schedules: cron in UTC, never what was missed while nobody looked, INACTIVE after their end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from cronsim import CronSim, CronSimError

from aicore_sync.sandbox.model import Group, Schedule, Tenant
from aicore_sync.sandbox.runs import Runner
from aicore_sync.sandbox.world import World

log = structlog.get_logger()


def check_cron(cron: str, now: datetime) -> str:
    """What is wrong with a cron expression, or "". Five numeric fields; at least 60 minutes between two runs."""
    if not re.fullmatch(r"[\d*,/-]+( [\d*,/-]+){4}", cron):
        return f"cron {cron!r} is not valid: five fields of digits and *,/- are expected"
    try:
        plan = CronSim(cron, now)
        next(plan)
    except (CronSimError, StopIteration) as error:
        return f"cron {cron!r} is not valid: {error or 'it never fires'}"
    if len(plan.minutes) > 1:  # all minutes belong to one hour, so two of them are less than an hour apart
        return f"cron {cron!r} fires more often than once in 60 minutes, the minimum"
    return ""


def next_tick(schedule: Schedule, now: datetime) -> datetime:
    """The first tick after now that is not before the schedule's start."""
    return next(CronSim(schedule.cron, max(now, schedule.start - timedelta(seconds=1))))


@dataclass(frozen=True)
class _Armed:
    """The next tick, valid as long as nobody changed what it was computed from."""

    basis: tuple[str, datetime]
    tick: datetime


class Ticker:
    """Knows the next tick of every active schedule."""

    def __init__(self, world: World, runner: Runner) -> None:
        self.world = world
        self.runner = runner
        self._armed: dict[str, _Armed] = {}

    async def run(self) -> None:
        """The loop; ends by cancellation. A move of a manual clock fires by itself, through `advance`."""
        while True:
            self.fire(self.world.clock.exact())
            await self.world.pause(self.next_event())

    def advance(self, to: datetime) -> None:
        """Move a manual clock to `to`, stopping at every tick on the way. Raises ValueError."""
        self.fire(self.world.clock.exact())
        while (event := self.next_event()) is not None and self.world.clock.exact() < event <= to:
            self.world.clock.move(event)
            self.fire(event)
        self.world.clock.move(to)
        self.world.touch()

    def next_event(self) -> datetime | None:
        """When the next schedule fires or ends."""
        ends = [schedule.end for *_, schedule in self._active() if schedule.end is not None]
        return min([*(armed.tick for armed in self._armed.values()), *ends], default=None)

    def fire(self, now: datetime) -> None:
        """Fire what is due, end what is over, arm what is new. A tick at the end itself still fires."""
        armed: dict[str, _Armed] = {}
        for tenant, group, schedule in list(self._active()):
            basis = (schedule.cron, schedule.start)
            held = self._armed.get(schedule.id)
            if held is not None and held.basis == basis and held.tick <= now:
                if schedule.end is None or held.tick <= schedule.end:
                    self._start(tenant, group, schedule)
                held = None
            if schedule.end is not None and schedule.end <= now:
                schedule.status = "INACTIVE"
                schedule.modified_at = self.world.clock.now()
                self.world.touch()
                continue
            if held is None or held.basis != basis:
                held = _Armed(basis, next_tick(schedule, now))
            armed[schedule.id] = held
        self._armed = armed

    def _active(self) -> list[tuple[Tenant, Group, Schedule]]:
        return [
            (tenant, group, schedule)
            for tenant in self.world.state.tenants.values()
            for group in tenant.groups.values()
            for schedule in group.schedules.values()
            if schedule.status == "ACTIVE"
        ]

    def _start(self, tenant: Tenant, group: Group, schedule: Schedule) -> None:
        configuration = group.configurations[schedule.configuration_id]
        if configuration.executable_id not in tenant.executables:
            log.warning(
                "schedule_without_executable", schedule=schedule.id, executable=configuration.executable_id
            )
            return
        run = self.runner.start(tenant, group, configuration, schedule.id)
        log.info("schedule_fired", schedule=schedule.id, execution=run.id)
