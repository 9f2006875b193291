"""The life of deployments: UNKNOWN, PENDING, RUNNING until it is stopped, over, or an outcome rule makes it DEAD.

No model is served. One task per deployment walks its states; a change of its configuration walks them anew.
"""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from functools import partial

import structlog

from aicore_sync.sandbox.model import Configuration, Deployment, Group
from aicore_sync.sandbox.outcomes import Outcomes, Rule
from aicore_sync.sandbox.world import World

log = structlog.get_logger()
LINGER = timedelta(seconds=2)  # how long a deleted deployment can still be read
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def lifetime(ttl: str | None) -> timedelta | None:
    """`10m`, `2h` or `1d` as a duration; None without a limit."""
    found = re.fullmatch(r"(\d+)([mhd])", (ttl or "").lower())
    return timedelta(**{UNITS[found[2]]: int(found[1])}) if found else None


class Deployer:
    """Starts, updates, stops and forgets deployments."""

    def __init__(self, world: World, outcomes: Outcomes) -> None:
        self.world = world
        self.outcomes = outcomes
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, group: Group, configuration: Configuration, ttl: str | None) -> Deployment:
        """Create a deployment and let it go. The caller has checked its executable and bindings."""
        now, identity = self.world.clock.now(), "d" + self.world.short_id()[1:]
        made = Deployment(
            id=identity,
            deployment_url=f"{self.world.url}/v2/inference/deployments/{identity}",
            configuration_id=configuration.id,
            configuration_name=configuration.name,
            executable_id=configuration.executable_id,
            scenario_id=configuration.scenario_id,
            ttl=ttl,
            created_at=now,
            modified_at=now,
            submission_time=now,
        )
        group.deployments[made.id] = made
        self.world.touch()
        self._go(group, made)
        return made

    def update(self, group: Group, deployment: Deployment, configuration: Configuration) -> None:
        """Point a deployment at another configuration; it walks its states anew."""
        deployment.latest_running_configuration_id = deployment.configuration_id
        deployment.configuration_id, deployment.configuration_name = configuration.id, configuration.name
        deployment.executable_id, deployment.scenario_id = (
            configuration.executable_id,
            configuration.scenario_id,
        )
        deployment.last_operation = "UPDATE"
        self._become(deployment, "PENDING")
        self._go(group, deployment)

    def stop(self, group: Group, deployment: Deployment) -> None:
        """Stop a PENDING or RUNNING deployment."""
        deployment.target_status = "STOPPED"
        self._become(deployment, "STOPPING")
        self._go(group, deployment)

    def delete(self, deployment: Deployment) -> None:
        """Mark a deployment as deleted; it lingers for a moment."""
        deployment.target_status, deployment.last_operation = "DELETED", "DELETE"
        deployment.deleted_at = self.world.clock.now()
        self._end_task(deployment)
        self.world.touch()

    def sweep(self, group: Group) -> None:
        """Forget what was deleted long enough ago, and what has outlived its time: AI Core deletes it."""
        now = self.world.clock.now()
        for one in list(group.deployments.values()):
            limit = lifetime(one.ttl)
            over = limit is not None and one.created_at + limit <= now
            if over or (one.deleted_at is not None and one.deleted_at < now - LINGER):
                self._end_task(one)
                del group.deployments[one.id]

    def resume(self) -> None:
        """After a start with old state: every deployment goes on where it was."""
        for tenant in self.world.state.tenants.values():
            for group in tenant.groups.values():
                for one in group.deployments.values():
                    self._go(group, one)

    async def close(self) -> None:
        """End all tasks; the state stays."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _go(self, group: Group, deployment: Deployment) -> None:
        self._end_task(deployment)
        task = asyncio.create_task(self._drive(group, deployment))
        self._tasks[deployment.id] = task

    def _end_task(self, deployment: Deployment) -> None:
        if task := self._tasks.pop(deployment.id, None):
            task.cancel()

    async def _drive(self, group: Group, deployment: Deployment) -> None:
        """Walk to where the rules say, and again whenever they change."""
        if deployment.status == "STOPPING":
            await asyncio.sleep(0)
            deployment.completion_time = self.world.clock.now()
            self._become(deployment, "STOPPED")
        while deployment.status not in {"STOPPED", "DEAD"} and deployment.id in group.deployments:
            rule = self.outcomes.of(deployment)
            aim = "RUNNING" if rule.outcome == "COMPLETED" else rule.outcome
            while deployment.status != aim:
                await asyncio.sleep(0)
                self._step(deployment, aim, rule.message)
            await self.world.until(partial(self._outdated, group, deployment, rule))

    def _outdated(self, group: Group, deployment: Deployment, rule: Rule) -> bool:
        return self.outcomes.of(deployment) != rule or deployment.id not in group.deployments

    def _step(self, deployment: Deployment, aim: str, message: str) -> None:
        """One state further: UNKNOWN, PENDING, then what was aimed at."""
        now = self.world.clock.now()
        if aim in {"UNKNOWN", "PENDING"} or deployment.status == "PENDING":
            following = aim
        else:
            following = "PENDING" if deployment.status == "UNKNOWN" else aim
        if following == "RUNNING":
            deployment.start_time = now
        if following == "DEAD":
            deployment.completion_time = now
        self._become(deployment, following, message if following == aim else "")

    def _become(self, deployment: Deployment, status: str, message: str = "") -> None:
        deployment.status = status
        deployment.status_message = message[:256] or None
        deployment.modified_at = self.world.clock.now()
        self.world.touch()
        log.info("deployment_changed", deployment=deployment.id, status=status)
