"""What flows rely on and no flow brings: resource groups, and secrets of a tenant and of its resource groups.

AI Core never tells a secret's value. What we wrote last is known by a mark: an HMAC of the value, on the secret as a
label where it can have one, else on the state branch.

    marks/<tenant>/<kind>/<resource group or "tenant">/<name>
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from aicore_sync.core.model import Hold, TenantKey

MARKS = "marks/"
OWNER_LABEL = "ext.ai.sap.com/aicore-sync.owner"
MARK_LABEL = "ext.ai.sap.com/aicore-sync.mark"
REWRITE = "rewrite"  # in place of a mark: a person wants the secret written anew
EVERYWHERE = "*"  # the resource group of secrets that AI Core copies to all of them

Kind = Literal["repository", "registry", "store", "secret"]
KIND_WORDS: Mapping[Kind, str] = {
    "repository": "login of repository",
    "registry": "docker registry secret",
    "store": "object store secret",
    "secret": "secret",
}


class SecretId(NamedTuple):
    """`group` is "" for what a tenant holds, `*` for what AI Core copies to every resource group."""

    kind: Kind
    group: str
    name: str

    def __str__(self) -> str:
        where = {"": "", EVERYWHERE: " for all resource groups"}.get(self.group, f" in {self.group}")
        return f"{KIND_WORDS[self.kind]} {self.name}{where}"

    def path(self, tenant: str) -> str:
        """The file of its mark on the state branch."""
        place = {"": "tenant", EVERYWHERE: "everywhere"}.get(self.group, f"group-{self.group}")
        return f"{MARKS}{tenant}/{self.kind}/{place}/{self.name}"


def mark_of(key: bytes, identity: SecretId, values: Mapping[str, str], visible: Mapping[str, str]) -> str:
    """The mark of a secret's content: an HMAC, for whoever reads it must not be able to guess the value."""
    content = [*identity, sorted(values.items()), sorted(visible.items())]
    return hmac.new(key, json.dumps(content).encode(), hashlib.sha256).hexdigest()[:40]


@dataclass(frozen=True)
class WantSecret:
    """`visible` is what AI Core shows of it (keys of its metadata); `unread` says why its value cannot be read."""

    id: SecretId
    mark: str = ""
    visible: Mapping[str, str] = field(default_factory=dict)
    unread: str = ""


@dataclass(frozen=True)
class WantGroup:
    """A resource group: created when absent and `create`; of its labels only these are ours."""

    id: str
    create: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WantTenant:
    """Everything that the configuration declares for a tenant. `blocked`: an operator has suspended everything.

    `notes` are said in any case.
    """

    key: TenantKey
    owner: str
    groups: tuple[WantGroup, ...] = ()
    secrets: tuple[WantSecret, ...] = ()
    blocked: tuple[Hold, ...] = ()
    notes: tuple[Hold, ...] = ()

    @property
    def declares(self) -> bool:
        """True when there is more than the login of the repository, which every tenant has."""
        return bool(self.groups) or any(s.id.kind != "repository" for s in self.secrets)


@dataclass(frozen=True)
class SeenGroup:
    """A resource group as AI Core lists it."""

    status: str
    message: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SeenSecret:
    """A secret as AI Core lists it; `missing_in` are resource groups that it was not copied to."""

    visible: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    missing_in: tuple[str, ...] = ()


@dataclass(frozen=True)
class SeenTenant:
    """`groups` None: the service key may not list them. `unlisted`: kinds and resource groups that it may not list.

    `marks` are the files on the state branch, `written` those that we wrote within the hour.
    """

    groups: Mapping[str, SeenGroup] | None = field(default_factory=dict)
    secrets: Mapping[SecretId, SeenSecret] = field(default_factory=dict)
    unlisted: frozenset[tuple[Kind, str]] = frozenset()
    marks: Mapping[SecretId, str] = field(default_factory=dict)
    written: frozenset[SecretId] = frozenset()


def marks_of(files: Mapping[str, bytes], tenant: str) -> dict[SecretId, str]:
    """The marks of a tenant among the files of its state branch; odd paths are left alone."""
    prefix = f"{MARKS}{tenant}/"
    found: dict[SecretId, str] = {}
    for path, data in files.items():
        if not path.startswith(prefix):
            continue
        match path.removeprefix(prefix).split("/"):
            case [("repository" | "registry" | "store" | "secret") as kind, place, name]:
                group = {"tenant": "", "everywhere": EVERYWHERE}.get(place, place.removeprefix("group-"))
                found[SecretId(kind, group, name)] = data.decode(errors="replace").strip()
    return found
