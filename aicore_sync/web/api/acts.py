"""What people may do, as POST requests. Each needs a login and is recorded with the user's name."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field, StringConstraints

from aicore_sync.core.decisions import Scope
from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.web.api.wire import PREFIX, FlowName, Order, Wire, errors
from aicore_sync.web.auth import Actor
from aicore_sync.web.desk import Desk

Reason = Annotated[str, StringConstraints(max_length=300)]
Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8,64}$")]
ExecutionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class About(Order):
    """Which flows: one in one environment, one everywhere, an environment, or with neither everything."""

    flow: FlowName | None = Field(None, description="The executable id")
    environment: FlowName | None = None

    @property
    def scope(self) -> Scope:
        return Scope(self.flow or "", self.environment or "")


class Decided(About):
    """A decision about them. Everything at once has to be said: `all`."""

    reason: Reason = Field("", description="For the people who read it later")
    all: bool = Field(False, description="true, where neither flow nor environment is named")


class Run(Order):
    """A run to start."""

    flow: FlowName = Field(description="The executable id")
    environment: FlowName | None = Field(None, description="Needed where there is more than one")
    configuration: FlowName | None = Field(None, description="Needed where there is more than one")


class Ending(Order):
    """A run to stop."""

    execution: ExecutionId
    environment: FlowName | None = None


class Confirmation(Order):
    """What a held-back status names."""

    fingerprint: Fingerprint


class Answer(Wire):
    """What became of it."""

    message: str = Field(description="One sentence for people")
    by: str = Field(description="In whose name it was done")


class Look(Answer):
    """A look that was asked for."""

    since: datetime = Field(description="A status that was updated then or later knows what the sources held")


def act_routes(desk: Desk) -> APIRouter:
    """POST /api/v1/sync, suspend, resume, confirm, trigger, stop."""
    router = APIRouter(
        prefix=PREFIX, tags=["actions"], responses=errors(400, 401, 403, 404, 409, 413, 422, 503)
    )

    @router.post("/sync", status_code=202)
    async def sync(user: Actor, body: About) -> Look:
        """Look at the source and at these flows now, whatever they wait for."""
        found = await desk.sync(user.name, body.scope)
        return Look(message=found.message, by=user.name, since=found.since)

    @router.post("/trigger", status_code=202)
    async def trigger(user: Actor, body: Run) -> Answer:
        """Start a run of a flow's current configuration."""
        scope = Scope(body.flow, body.environment or "")
        return Answer(message=await desk.trigger(user.name, scope, body.configuration or ""), by=user.name)

    @router.post("/stop", status_code=202)
    async def stop(user: Actor, body: Ending) -> Answer:
        """Stop a run that we or one of our schedules started."""
        message = await desk.stop(user.name, body.execution, body.environment or "")
        return Answer(message=message, by=user.name)

    @router.post("/confirm", status_code=202)
    async def confirm(user: Actor, body: Confirmation) -> Answer:
        """Allow what waits for the confirmation of a fingerprint."""
        return Answer(message=await desk.confirm(user.name, body.fingerprint), by=user.name)

    _decisions(router, desk)
    return router


def _decisions(router: APIRouter, desk: Desk) -> None:
    @router.post("/suspend", status_code=202)
    async def suspend(user: Actor, body: Decided) -> Answer:
        """Hold flows back until somebody resumes them."""
        message = await desk.suspend(user.name, _meant(body), body.reason)
        return Answer(message=message, by=user.name)

    @router.post("/resume", status_code=202)
    async def resume(user: Actor, body: Decided) -> Answer:
        """Take a suspension back; wider and narrower ones stay."""
        message = await desk.resume(user.name, _meant(body), body.reason)
        return Answer(message=message, by=user.name)


def _meant(body: Decided) -> Scope:
    if body.scope == Scope() and not body.all:
        raise InvalidInput(
            [Problem("request", 0, "flow", "neither flow nor environment", "one of them, or `all: true`")]
        )
    return body.scope
