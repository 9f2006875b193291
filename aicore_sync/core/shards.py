"""Shards: parts of an installation that can be worked on by different processes, and who works on which.

Pure. A shard is a connected component of published branches and the tenants that use them. Branches of one repository
belong together, because they share the state branch and thereby the owner's lock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping


def shards(repositories: Mapping[str, str], tenants: Iterable[Iterable[str]]) -> dict[str, str]:
    """Repository name → name of its shard, the first of its repositories in the order of the alphabet.

    `repositories` are names with addresses that are equal for the same repository; `tenants` are the repositories
    that each tenant uses.
    """
    places: dict[str, list[str]] = {}
    for name, address in repositories.items():
        places.setdefault(address, []).append(name)
    shard = {name: name for name in repositories}
    for together in (*places.values(), *tenants):
        joined = {shard[name] for name in together}
        first = min(joined, default="")
        shard = {name: first if of in joined else of for name, of in shard.items()}
    return shard


def seat_of(shard: str, seats: Iterable[str]) -> str | None:
    """The seat that works on `shard`: the highest by rendezvous hashing, None without seats.

    A new seat takes shards only to itself, and one that goes leaves its own shards only.
    """
    return max(seats, key=lambda seat: hashlib.sha256(f"{seat}\n{shard}".encode()).digest(), default=None)
