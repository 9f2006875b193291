"""What people may do, as POST requests. Each needs a login and is recorded with the user's name."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field, StringConstraints

from aicore_sync.core.decisions import Scope
from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.web.api.wire import PREFIX, FlowName, Order, Wire, errors
from aicore_sync.web.auth import Actor, User
from aicore_sync.web.desk import Desk, Underway

Reason = Annotated[str, StringConstraints(max_length=300)]
Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8,64}$")]
Templates = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,63}(@[a-z0-9-]{1,63})?$")]
Commit = Annotated[str, StringConstraints(max_length=64)]
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


class Back(Order):
    """A version to go back to; it holds until the flow's source changes."""

    flow: Templates = Field(description="The executable id, or FLOW@TENANT for its template in one tenant")
    to: Commit = Field("", description="A commit of `versions`; empty: the version before")
    reason: Reason = Field("", description="For the people who read it later")


class Ahead(Order):
    """A rollback to end."""

    flow: Templates = Field(description="The executable id, or FLOW@TENANT for its template in one tenant")


class Confirmation(Order):
    """What a held-back status names."""

    fingerprint: Fingerprint


class Answer(Wire):
    """What became of it."""

    message: str = Field(description="One sentence for people")
    by: str = Field(description="In whose name it was done")


class Look(Answer):
    """Something that goes on."""

    since: datetime = Field(
        description="A status that was updated then or later knows of it and of the sources"
    )


def act_routes(desk: Desk) -> APIRouter:
    """POST /api/v1/sync, suspend, resume, confirm, trigger, stop, rollback and rollback/undo."""
    router = APIRouter(
        prefix=PREFIX, tags=["actions"], responses=errors(400, 401, 403, 404, 409, 413, 422, 503)
    )

    @router.post("/sync", status_code=202)
    async def sync(user: Actor, body: About) -> Look:
        """Look at the source and at these flows now, whatever they wait for."""
        return _look(user, await desk.sync(user.name, body.scope))

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
    _rollbacks(router, desk)
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


def _rollbacks(router: APIRouter, desk: Desk) -> None:
    @router.post("/rollback", status_code=202)
    async def rollback(user: Actor, body: Back) -> Look:
        """Publish an earlier version of a flow's template and keep it until the flow's source changes."""
        return _look(user, await desk.rollback(user.name, body.flow, body.to, body.reason))

    @router.post("/rollback/undo", status_code=202)
    async def undo(user: Actor, body: Ahead) -> Look:
        """End a rollback: publish what the source says."""
        return _look(user, await desk.end_rollback(user.name, body.flow))


def _look(user: User, found: Underway) -> Look:
    return Look(message=found.message, by=user.name, since=found.since)


def _meant(body: Decided) -> Scope:
    if body.scope == Scope() and not body.all:
        raise InvalidInput(
            [Problem("request", 0, "flow", "neither flow nor environment", "one of them, or `all: true`")]
        )
    return body.scope
