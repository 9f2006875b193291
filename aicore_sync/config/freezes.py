"""Times in which environments must not change."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field

from aicore_sync.core.cron import CronError, normalise
from aicore_sync.core.fields import Duration, EnvironmentName, Strict, refuse
from aicore_sync.core.freeze import Window


def _cron(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return normalise(value)
    except CronError as error:
        raise refuse(error.expected, error.cure) from None


def _zone(value: object) -> object:
    try:
        return ZoneInfo(value).key if isinstance(value, str) else value
    except (ZoneInfoNotFoundError, ValueError, OSError):
        cure = "UTC always works; others need the system's time zone database (package tzdata)"
        raise refuse("the name of a time zone such as Europe/Berlin", cure) from None


class Freeze(Strict):
    """A window in which nothing is published, created or started, or outside of which nothing is."""

    cron: Annotated[str, BeforeValidator(_cron)] = Field(
        description="When the window begins: five fields, by the wall clock of `timezone`.",
        examples=["0 18 * * 5"],
    )
    duration: Duration = Field(gt=0, description="How long it lasts.", examples=["2d14h"])
    timezone: Annotated[str, BeforeValidator(_zone)] = Field("UTC", description="Time zone of `cron`.")
    environments: tuple[EnvironmentName, ...] = Field(
        (), description="Environments it holds for; all when absent.", examples=[["dev"]]
    )
    mode: Literal["deny", "allow"] = Field(
        "deny",
        description="deny: no changes inside. allow: no changes outside; deny wins where both speak.",
    )

    def window(self) -> Window:
        """The window as decisions need it."""
        return Window(self.cron, self.duration, self.timezone, self.environments, self.mode)
