"""What happened: events, publications and what each changed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from aicore_sync.core.chronicle import Publication
from aicore_sync.core.difference import template_changes, text_changes
from aicore_sync.core.errors import Stalled
from aicore_sync.core.model import Mark
from aicore_sync.core.plans import ChangeAnswer, change_answers
from aicore_sync.core.statuses import EventAnswer, event_answer
from aicore_sync.store import EventQuery, Store
from aicore_sync.web.api.wire import PREFIX, Wire, errors
from aicore_sync.web.auth import reading

LARGEST_ID = 2**53  # what every JSON reader can hold


class EventList(Wire):
    """Newest first; oldest first where `after` was asked for."""

    items: tuple[EventAnswer, ...]


class PublicationOut(Wire):
    """A version of a template that went to the publish branch."""

    id: int
    at: datetime
    tenant: str
    executable: str
    version: str = Field(description="Empty where the template was taken away")
    commit: str
    source: str = Field(description="The source revision")
    author: str
    subject: str
    pushed: datetime | None = Field(description="When the source was pushed; null where that is not known")
    noticed: datetime | None = Field(description="When the change was first seen")
    live: datetime | None = Field(description="When AI Core was proven to run it")
    seconds_to_live: float | None = Field(description="From the push, or first seen, to proven")


class PublicationList(Wire):
    """Newest first."""

    items: tuple[PublicationOut, ...]


class Difference(Wire):
    """What a publication changed against the one before it."""

    publication: PublicationOut
    changes: tuple[ChangeAnswer, ...]
    raw: str = Field(description="A unified diff of the documents")


class EventAsked(Wire):
    """Empty fields ask for all."""

    flow: str = Field("", max_length=63)
    environment: str = Field("", max_length=63)
    tenant: str = Field("", max_length=63)
    text: str = Field("", max_length=200, description="Words that all have to be in it")
    mark: Mark | None = None
    after: int | None = Field(None, ge=0, le=LARGEST_ID, description="Ids above this, oldest first")
    before: int | None = Field(None, ge=0, le=LARGEST_ID, description="Ids below this")
    limit: int = Field(100, ge=1, le=500)


Name = Annotated[str, Query(max_length=63)]
Limit = Annotated[int, Query(ge=1, le=500)]


def past_routes(store: Store) -> APIRouter:
    """GET /api/v1/events, /api/v1/publications and /api/v1/publications/{id}."""
    router = APIRouter(
        prefix=PREFIX, tags=["history"], dependencies=[Depends(reading)], responses=errors(401, 404, 422)
    )

    @router.get("/events")
    async def events(query: Annotated[EventAsked, Query()]) -> EventList:
        """Events that fit; ask for what came `after` the last id to follow them."""
        found = await store.events(EventQuery(**query.model_dump()))
        return EventList(items=tuple(map(event_answer, found)))

    @router.get("/publications")
    async def publications(tenant: Name = "", executable: Name = "", limit: Limit = 10) -> PublicationList:
        """What was published last, of one template where both tenant and executable are named."""
        found = await store.publications(tenant, executable, limit)
        return PublicationList(items=tuple(map(_publication, found)))

    @router.get("/publications/{identity}")
    async def difference(identity: Annotated[int, Path(ge=0, le=LARGEST_ID)]) -> Difference:
        """What a publication changed."""
        found = await store.publication(identity)
        if found is None:
            raise Stalled(f"there is no publication {identity}", reason="NotFound")
        now, before = found
        old = before.document if before and before.document else None
        changes = template_changes(old, now.document or None)
        return Difference(
            publication=_publication(now),
            changes=change_answers(changes),
            raw=text_changes(old, now.document or None, f"wt-{now.executable}"),
        )

    return router


def _publication(of: Publication) -> PublicationOut:
    fields = {name: value for name, value in vars(of).items() if name != "document"}
    span = of.until_live
    return PublicationOut(**fields, seconds_to_live=span.total_seconds() if span else None)
