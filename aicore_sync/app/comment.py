"""The plan as a comment on the pull or merge request that a pipeline runs for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from aicore_sync.aicore import open_http
from aicore_sync.app.diff import differences
from aicore_sync.app.once import Planned
from aicore_sync.app.wires import api_network
from aicore_sync.config import Settings
from aicore_sync.core.difference import joined
from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.core.wording import describe
from aicore_sync.forge import Login, Project, Thread, Wire, comment

REQUEST = "AICORE_SYNC_REQUEST"
_PULL = re.compile(r"refs/pull/(\d+)/")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Place:
    """Where to comment, and with which token."""

    thread: Thread
    project: Project
    token: str = field(repr=False)


def place_of(environ: Mapping[str, str]) -> Place:
    """The request that this pipeline runs for, from what GitHub Actions or GitLab CI say.

    Raises InvalidInput that names the variables when they say nothing.
    """
    if environ.get("GITHUB_REPOSITORY"):
        api = environ.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
        found = _PULL.match(environ.get("GITHUB_REF", ""))
        number = environ.get(REQUEST) or (found[1] if found else "")
        repository = environ["GITHUB_REPOSITORY"]
        token, key = environ.get("GITHUB_TOKEN", ""), "GITHUB_TOKEN"
        make: Callable[[str, str, int], Thread] = Thread.github
    elif environ.get("CI_PROJECT_ID"):
        api = environ.get("CI_API_V4_URL", "").rstrip("/")
        number = environ.get(REQUEST) or environ.get("CI_MERGE_REQUEST_IID", "")
        repository = environ["CI_PROJECT_ID"]
        token, key = environ.get("GITLAB_TOKEN", ""), "GITLAB_TOKEN"
        make = Thread.gitlab
    else:
        raise _missing(
            "GITHUB_REPOSITORY or CI_PROJECT_ID", "run this in GitHub Actions or GitLab CI, or set them"
        )
    if not number.isdigit():
        cure = f"run for a pull or merge request, or put its number into {REQUEST}"
        raise _missing(REQUEST, cure)
    if not token:
        raise _missing(key, "give the job a token that may comment on requests")
    return Place(make(api, repository, int(number)), Project(_host(api), repository, api, "pipeline"), token)


async def tell(settings: Settings, place: Place, planned: Planned) -> bool:
    """Have one comment of this owner on the request say what the plan is; True when it was written anew.

    Raises Transient or Stalled when the forge does not take it.
    """
    owner = settings.owner
    async with await open_http(api_network(settings.network), settings.reconcile.request_timeout) as http:
        wire = Wire(http, place.project, lambda: Login(place.token))
        return await comment(wire, place.thread, f"plan of {owner}", text(owner, planned))


def text(owner: str, planned: Planned) -> str:
    """The plan in Markdown. Whatever comes from flows stands in indented code: no mention, no link, no markup."""
    head = f"### aicore-sync, owner `{owner}`: {planned.summary}"
    parts = [head]
    for title, lines in (
        ("What must be mended first", list(_failures(planned))),
        ("What changes", list(_changes(planned))),
        ("What would be done", list(_actions(planned))),
        ("What is no longer in the source, and goes after a second look", list(_missing_flows(planned))),
    ):
        if lines:
            parts += [f"{title}:", "\n".join(f"    {_plain(line)}" for line in lines)]
    parts.append(f"Fingerprint `{planned.fingerprint}`.")
    return "\n\n".join(parts)


def _failures(planned: Planned) -> Iterator[str]:
    for key, hold in planned.failures:
        yield f"{key}: {hold.reason}: {hold.message}"


def _changes(planned: Planned) -> Iterator[str]:
    for found in differences(planned):
        for change in joined(found.changes):
            yield f"{found.key}: {change}"


def _actions(planned: Planned) -> Iterator[str]:
    for key, plan in planned.plans.items():
        for action in plan.actions:
            yield f"{key}: {action.stage.value}: {describe(action)}"


def _missing_flows(planned: Planned) -> Iterator[str]:
    for key, plan in planned.plans.items():
        if any(hold.reason == "SourceMissing" for hold in plan.holds):
            yield str(key)


def _plain(line: str) -> str:
    return _CONTROL.sub("", line.replace("\n", " "))


def _host(api: str) -> str:
    return api.partition("://")[2].partition("/")[0]


def _missing(key: str, cure: str) -> InvalidInput:
    return InvalidInput([Problem("environment", 0, key, "nothing", "a value of the pipeline", cure)])
