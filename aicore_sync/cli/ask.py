"""Asking for what is there: of the running service when there is one, else of AI Core and git by this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from aicore_sync.cli.progress import progress
from aicore_sync.cli.service import Service, no_configuration, optional, service
from aicore_sync.core.answers import Answer, Where
from aicore_sync.core.kinds import KIND_OF

if TYPE_CHECKING:  # loaded when this process works alone
    from aicore_sync.app.build import App

A = TypeVar("A", bound=Answer)
T = TypeVar("T")
Bar = Callable[[int, int], None]


@dataclass(frozen=True)
class Question(Generic[T]):
    """A question in its two ways: to a service, and to what this process finds out itself, with a bar."""

    served: Callable[[Service], Awaitable[T]]
    alone: Callable[[App, Bar], Awaitable[T]]


def answers(config: Path, model: type[A], where: Where, what: str = "looking") -> tuple[A, ...]:
    """What there is of a kind; one for what is no list."""
    kind = KIND_OF[model]

    async def alone(app: App, _: Bar) -> tuple[A, ...]:
        from aicore_sync.app.answers import answers

        return tuple(one for one in await answers(app, kind, where) if isinstance(one, model))

    return answered(config, Question(lambda found: found.answers(model, where), alone), what)


def answered(config: Path, question: Question[T], what: str) -> T:
    """The answer of the service where there is one, else of this process. A bar shows when it takes long."""
    settings, masker = optional(config, "error")

    async def asked() -> T:
        async with service(settings) as found:
            if found:
                async with progress(what):
                    return await question.served(found)
        if settings is None:
            raise no_configuration()
        from aicore_sync.app.build import BuildOptions, build

        options = BuildOptions(masker=masker, history=False)
        async with build(settings, options) as app, progress(what) as bar:
            return await question.alone(app, bar)

    return asyncio.run(asked())
