"""How a source's commit stands in each environment, from the statuses of its flows; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from aicore_sync.core.catalog import NOWHERE
from aicore_sync.core.model import FlowKey, Health, Status

ANYWHERE = "flows"  # stands for the environments that broken flows do not name
CALM = (Health.HEALTHY, Health.SUSPENDED)


@dataclass(frozen=True)
class Standing:
    """Of one commit in one environment: `pending` until every flow has been looked at since and is done.

    `flow` is the one that failed. Worth telling anew is another state or another failed flow, not every new word:
    forges take a thousand statuses of a commit.
    """

    environment: str
    state: Literal["pending", "success", "failure"]
    text: str
    flow: str = ""

    @property
    def news(self) -> tuple[str, str]:
        """What makes two of them differ for people."""
        return self.state, self.flow


def standings(
    keys: Iterable[FlowKey], rows: Mapping[FlowKey, Status], since: datetime
) -> tuple[Standing, ...]:
    """One per environment of the keys, by name. A status from before `since`, when the commit was first seen,
    speaks of an older commit. A flow without an environment that needs attention, such as a broken manifest, fails
    the commit everywhere: nobody knows where it would go.
    """
    pairs = [(key, _fresh(rows.get(key), since)) for key in sorted(keys, key=str)]
    homeless = [(k, s) for k, s in pairs if k.environment == NOWHERE and s and s.health is Health.ATTENTION]
    places = sorted({key.environment for key, _ in pairs} - {NOWHERE}) or ([ANYWHERE] if homeless else [])
    return tuple(
        _standing(name, [*homeless, *((k, s) for k, s in pairs if k.environment == name)]) for name in places
    )


def _fresh(status: Status | None, since: datetime) -> Status | None:
    return status if status and status.updated and status.updated >= since else None


def _standing(environment: str, pairs: Sequence[tuple[FlowKey, Status | None]]) -> Standing:
    bad = [(key, s) for key, s in pairs if s and s.health is Health.ATTENTION]
    if bad:
        key, status = bad[0]
        rest = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        return Standing(environment, "failure", f"{key.flow}: {status.message}{rest}", key.flow)
    health = [s.health for _, s in pairs if s]
    done = sum(h in CALM for h in health)
    if done < len(pairs):
        return Standing(environment, "pending", f"{done} of {len(pairs)} flows are live")
    asleep = health.count(Health.SUSPENDED)
    words = f", {asleep} suspended" if asleep else ""
    verb = "flow is" if len(pairs) == 1 else "flows are"
    return Standing(environment, "success", f"{len(pairs)} {verb} live{words}")
