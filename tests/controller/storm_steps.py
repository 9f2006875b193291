"""What happens in a storm, made from a seed: steps are values with a readable form, so that a storm can be printed,
replayed, and made smaller by leaving steps out.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

MAKER, TAKER, SERVER = "alpha", "down", "serve"  # one makes an output, one takes it, one is deployed
FLOWS = (MAKER, "beta", "gamma", TAKER, SERVER)
KEEPER = "keeper"  # never taken away, nor its schedule: what leaves no flow as it was needs a confirmation
ENVIRONMENTS = ("default", "other")
CRONS = ("0 * * * *", "30 2 * * *", "15 4 * * 1")
TRIES = 2  # of a run that ended DEAD, where the manifest says so
Kind = Literal[
    "settings", "write", "poison", "remove", "server", "git", "fault", "runs", "operator", "freeze",
    "restart", "crash", "time", "review",
]  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One thing that happens. `what` chooses within the kind, `flow` whom it concerns, `options` how."""

    kind: Kind
    what: str = ""
    flow: str = ""
    options: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        words = [self.kind, self.what, self.flow, *(f"{k}={v!r}" for k, v in self.options)]
        return " ".join(filter(None, words))


def storm(seed: int) -> tuple[Step, ...]:
    """The steps of a seed."""
    rng = random.Random(seed)
    start_within = rng.choice(("24h", "8m"))  # short: executions of old content may be deleted
    steps = [Step("settings", rng.choice(("push", "push", "review")), "", (("startWithin", start_within),))]
    first = rng.choice(FLOWS)
    steps += [written(rng, flow) for flow in (KEEPER, *([MAKER] if first == TAKER else ()), first)] + [
        Step("time")
    ]
    for _ in range(rng.randint(4, 9)):
        steps.append(_step(rng))
        if rng.random() < 0.5:
            steps.append(Step("time", rng.choice(("", "", "", "hour"))))  # schedules fire, things grow old
    return tuple(steps)


def smaller(steps: Sequence[Step]) -> Sequence[tuple[Step, ...]]:
    """The same storm with one step left out, each in turn; settings and the first write stay."""
    return [(*steps[:at], *steps[at + 1 :]) for at in range(len(steps) - 1, 1, -1)]


def _step(rng: random.Random) -> Step:
    flow = rng.choice(FLOWS)
    often = (
        "write",
        "write",
        "write",
        "server",
        "server",
        "fault",
        "fault",
        "people",
        "people",
        "rest",
        "rest",
    )
    kinds = (*often, "git")
    match rng.choice(kinds):
        case "write":
            return written(rng, rng.choice((*FLOWS, KEEPER)))
        case "server":
            flow = rng.choice((flow, KEEPER))  # what is always there meets everything
            what = rng.choice(_DEPLOYED if flow == SERVER else _SERVER)
            return Step("server", what, flow, (("group", rng.choice(ENVIRONMENTS)),))
        case "git":
            return Step("git", rng.choice(("edit", "delete", "foreign", "take")), flow)
        case "fault":
            return _fault(rng)
        case "people":
            return _people(rng, flow)
    kind: Kind = rng.choice(("restart", "crash", "remove", "poison", "runs", "runs"))
    return Step(kind, rng.choice(("die", "complete")) if kind == "runs" else "", flow)


_SERVER = (
    "cron", "suspend", "delete", "repoint", "foreign-schedule", "foreign-run", "foreign-run", "foreign-configuration",
    "start", "end",
)  # fmt: skip
_DEPLOYED = ("stop-deployment", "foreign-deployment", "foreign-configuration")


def _people(rng: random.Random, flow: str) -> Step:
    """Whoever operates the service suspends, resumes, freezes."""
    place = rng.choice(("", *ENVIRONMENTS))
    if rng.random() < 0.3:
        return Step("freeze", rng.choice(("deny", "lift")), "", (("environments", [place] if place else []),))
    if rng.random() < 0.3:
        return Step("review", rng.choice(("merge", "merge", "close")))
    whom = rng.choice((flow, flow, KEEPER, ""))
    return Step("operator", rng.choice(("suspend", "suspend", "resume")), whom, (("environment", place),))


def written(rng: random.Random, flow: str) -> Step:
    if flow == SERVER:
        return _write_server(rng)
    options: dict[str, Any] = {
        "text": f"print({rng.randint(1, 3)})",
        "values": {"alpha": str(rng.randint(1, 3))},
        "run": rng.choice(("onChange", "manual")),
        "environments": rng.choice((ENVIRONMENTS[:1], ENVIRONMENTS, ENVIRONMENTS, ENVIRONMENTS[1:])),
    }
    if rng.random() < 0.6:
        state = rng.choice(({}, {"suspend": True}, {"suspend": False}))
        options["schedule"] = {"cron": rng.choice(CRONS)} | state
        if rng.random() < 0.25:
            options["ends"] = rng.randint(-1, 4)  # rounds from now
    if flow == TAKER:
        taken = {"features": {"flow": MAKER, "output": "features"}}
        options |= {"declares": [], "values": {}, "inputs": taken, "onUpstream": rng.random() < 0.5}
    if flow == KEEPER:
        options["environments"] = ENVIRONMENTS
        options.setdefault("schedule", {"cron": CRONS[0]})
    if flow != TAKER and rng.random() < 0.25:
        options |= {"declares": ["alpha", "beta"], "values": {"alpha": "1", "beta": "2"}}
    if rng.random() < 0.3:
        url = f"ai://default/data-{rng.randint(1, 2)}"
        options["artifacts"] = [{"name": "data", "kind": "dataset", "url": url}]
    if rng.random() < 0.5:
        options["retention"] = {"keep": rng.randint(1, 2)}
    if rng.random() < 0.3:
        options["onFailure"] = {"retry": {"times": TRIES, "backoff": "1m"}}
    return Step("write", "", flow, tuple(sorted(options.items())))


def _write_server(rng: random.Random) -> Step:
    """A template that is deployed; `text` is its pod."""
    options: dict[str, Any] = {
        "text": f"predictor: {{minReplicas: {rng.randint(1, 2)}}}\n",
        "values": {"size": str(rng.randint(1, 2))},
        "environments": rng.choice((ENVIRONMENTS[:1], ENVIRONMENTS)),
        "deployment": rng.choice(({}, {}, {"ttl": "10m"}, {"suspend": True}, {"suspend": False})),
    }
    return Step("write", "", SERVER, tuple(sorted(options.items())))


def _fault(rng: random.Random) -> Step:
    routes = (
        "/executions$",
        "/executionSchedules",
        "/configurations$",
        "/status$",
        "/v2/",
        "/token$",
        "/metrics$",
        "/deployments",
    )
    methods = ("POST", "PATCH", "GET", "")
    happens: tuple[dict[str, Any], ...] = (
        {"status": 503},
        {"status": 500},
        {"status": 429, "retryAfter": 0},
        {"reset": True},
        {"applyThenReset": True},
    )
    rule = {"route": rng.choice(routes), "method": rng.choice(methods), "count": rng.randint(1, 4)}
    what = rng.choice(("rule", "rule", "rule", "stale", "tokens"))
    return Step("fault", what, "", tuple((rule | rng.choice(happens)).items()) if what == "rule" else ())
