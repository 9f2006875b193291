"""Complete listings. A listing that may be short raises; it never passes for the whole.

AI Core promises no order, so pages are joined by id. Under `/lm` the `count` of an answer is that of the page and
the total is at `<route>/$count`; under `/admin` it is the total, when `$count=true` is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from aicore_sync.aicore.calls import Call
from aicore_sync.aicore.send import Sender
from aicore_sync.aicore.wire.basics import Json, read_count, read_items
from aicore_sync.core.errors import Transient

T = TypeVar("T")


@dataclass(frozen=True)
class Listing(Generic[T]):
    """What to list: `reads` turns one item into a value, `key` names it."""

    route: str
    reads: Callable[[Json], T]
    key: Callable[[T], str]
    group: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    path: Mapping[str, str] = field(default_factory=dict)

    @property
    def admin(self) -> bool:
        """True where `count` can be the total."""
        return self.route.startswith("/admin/")


@dataclass(frozen=True)
class _Page(Generic[T]):
    items: tuple[T, ...]
    count: int

    def full(self, top: int) -> bool:
        """True when there may be more. A round number of items is suspect: a server may cap `$top` silently."""
        return bool(self.items) and (len(self.items) >= top or len(self.items) % 100 == 0)


async def list_all(sender: Sender, listing: Listing[T], top: int) -> tuple[T, ...]:
    """Every item, joined by key, in the order of the server. Raises ListIncomplete when some are missing."""
    try:
        return await _walk(sender, listing, top)
    except ListIncomplete:
        return await _walk(sender, listing, top)  # something was created or deleted while we were reading


async def list_whole(sender: Sender, listing: Listing[T]) -> tuple[T, ...]:
    """Every item of an endpoint that knows no pages."""
    page = await sender.send(_call(listing, listing.query))
    if len(page.items) < page.count:
        raise _incomplete(listing, len(page.items), page.count)
    return page.items


async def count(sender: Sender, listing: Listing[Any]) -> int:
    """The total by `<route>/$count` with the listing's filters."""
    return await sender.send(
        Call("GET", f"{listing.route}/$count", read_count, group=listing.group, query=listing.query)
    )


class ListIncomplete(Transient):
    """AI Core counts more objects than its pages gave."""


async def _walk(sender: Sender, listing: Listing[T], top: int) -> tuple[T, ...]:
    found: dict[str, T] = {}
    skip = 0
    while True:
        page = await sender.send(_call(listing, _paging(listing, top, skip)))
        before = len(found)
        for item in page.items:
            found.setdefault(listing.key(item), item)
        skip += len(page.items)
        single = skip == len(page.items)
        if single and not page.full(top) and page.count <= len(page.items):
            return tuple(found.values())
        stuck = len(found) == before  # an empty page, or one that gave nothing new
        if listing.admin and page.full(top) and page.count <= len(page.items) and not stuck:
            continue  # `$count` may not have been understood: only a page without news ends the listing
        total = page.count if listing.admin else await count(sender, listing)
        if len(found) >= total:
            return tuple(found.values())
        if stuck:
            raise _incomplete(listing, len(found), total)


def _paging(listing: Listing[Any], top: int, skip: int) -> dict[str, str]:
    paging = {"$top": str(top)}
    if skip:
        paging["$skip"] = str(skip)
    if listing.admin:
        paging["$count"] = "true"
    return {**listing.query, **paging}


def _call(listing: Listing[T], query: Mapping[str, str]) -> Call[_Page[T]]:
    def reads(body: object) -> _Page[T]:
        items = tuple(listing.reads(item) for item in read_items(body))
        told = body.get("count") if isinstance(body, dict) else None
        return _Page(items, told if isinstance(told, int) else len(items))

    return Call(
        "GET",
        listing.route,
        reads,
        group=listing.group,
        path=listing.path,
        query=query,
        headers=listing.headers,
    )


def _incomplete(listing: Listing[Any], found: int, total: int) -> ListIncomplete:
    message = (
        f"AI Core listed {found} of {total} objects at {listing.route}; a part is never taken for the whole"
    )
    return ListIncomplete(message, reason="ListIncomplete")
