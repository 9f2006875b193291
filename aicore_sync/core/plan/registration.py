"""Repository and application at AI Core: registered when absent, never bent when they point elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from aicore_sync.core.actions import Plan, Register
from aicore_sync.core.desired import Registration, SeenTemplate, WantTemplate
from aicore_sync.core.model import Hold, Mark, Stage
from aicore_sync.core.world import Application, Repository


def plan_registration(want: WantTemplate, seen: SeenTemplate) -> Plan | None:
    """What is missing, repository before application; None when AI Core follows what we publish."""
    known = seen.registration
    if known.elsewhere:
        return Plan(holds=(Hold(Stage.SYNC, "ApplicationElsewhere", known.elsewhere, mark=Mark.FAIL),))
    if known.repository and known.application:
        return None
    hold = Hold(Stage.SYNC, "SyncPending", "AI Core does not know the application yet", after=5)
    what: Literal["repository", "application"] = "application" if known.repository else "repository"
    return Plan((Register(want.key.tenant, what),), (hold,))


def shared_source(seen: SeenTemplate) -> tuple[Hold, ...]:
    """Two applications that follow the same place: AI Core may sync neither."""
    if not seen.registration.shared:
        return ()
    return (Hold(Stage.SYNC, "ApplicationShared", seen.registration.shared, mark=Mark.FAIL),)


def registration(
    wanted: Application, repositories: Iterable[Repository], applications: Iterable[Application]
) -> Registration:
    """Compare what AI Core lists with the application that the configuration wants; URLs are compared normalised."""
    listed = {normal_url(repository.url) for repository in repositories}
    known = normal_url(wanted.repository_url) in listed
    everything = tuple(applications)
    found = next((a for a in everything if a.name == wanted.name), None)
    shared = _shared(wanted, [a.name for a in everything if a is not found and _place(a) == _place(wanted)])
    if found is None:
        return Registration(known, application=False, shared=shared)
    if _place(found) == _place(wanted):
        return Registration(known, shared=shared)
    words = (
        f"application {wanted.name} follows {found.repository_url} {found.revision} {found.path}, the configuration "
        f"wants {wanted.repository_url} {wanted.revision} {wanted.path}; correct one of them"
    )
    return Registration(known, elsewhere=words)


def name_taken(wanted: Repository, other: Repository) -> str:
    """What to do when AI Core holds another repository under the wanted name."""
    return (
        f"AI Core already knows a repository called {wanted.name}: {other.url}; the configuration wants {wanted.url} "
        f"under this name. Rename `repositories[].name: {wanted.name}` in the configuration, or delete the other one"
    )


def _shared(wanted: Application, others: list[str]) -> str:
    """In words, "" when nobody shares the place."""
    if not others:
        return ""
    place = f"{wanted.repository_url} {wanted.revision} {wanted.path}"
    return (
        f"application {', '.join(sorted(others))} follows {place} too, and AI Core does not sync two applications "
        "of one source; delete it, or give this tenant another application.path"
    )


def _place(application: Application) -> tuple[str, str, str]:
    return normal_url(application.repository_url), application.revision, application.path.strip("/")


def normal_url(url: str) -> str:
    """AI Core takes spellings that differ in case, a slash or `.git` at the end for one repository."""
    return url.strip().rstrip("/").removesuffix(".git").rstrip("/").lower()
