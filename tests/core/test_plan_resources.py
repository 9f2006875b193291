"""Resource groups and secrets of a tenant: what is created, written anew, left alone, and what is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from aicore_sync.core.actions import Action, CreateGroup, LabelGroup, Remember, WriteSecret
from aicore_sync.core.model import Hold, Mark, Stage, TenantKey
from aicore_sync.core.plan import plan_tenant
from aicore_sync.core.resources import (
    EVERYWHERE,
    MARK_LABEL,
    OWNER_LABEL,
    SecretId,
    SeenGroup,
    SeenSecret,
    SeenTenant,
    WantGroup,
    WantSecret,
    WantTenant,
    mark_of,
    marks_of,
)

KEY = TenantKey("dev")
STORE = SecretId("store", "team-a", "default")
TOKEN = SecretId("secret", "team-a", "token")
SHARED = SecretId("secret", EVERYWHERE, "proxy")
REGISTRY = SecretId("registry", "", "registry")
LOGIN = SecretId("repository", "", "templates")
READY = {"team-a": SeenGroup("PROVISIONED")}
BUCKET = "storage.ai.sap.com/bucket"
OURS = {OWNER_LABEL: "team", MARK_LABEL: "m1"}


def want(*secrets: WantSecret, groups: tuple[WantGroup, ...] = (), **more: Any) -> WantTenant:
    return WantTenant(KEY, "team", groups, secrets, **more)


def seen(secrets: Mapping[SecretId, SeenSecret] | None = None, **more: Any) -> SeenTenant:
    return replace(SeenTenant(READY, secrets or {}), **more)


def wants(identity: SecretId, mark: str = "m1", **more: Any) -> WantSecret:
    return WantSecret(identity, mark, **more)


@pytest.mark.parametrize(
    ("secret", "there", "actions", "reasons"),
    [
        (wants(REGISTRY), seen(), [WriteSecret("dev", REGISTRY, "it does not exist", new=True)], []),
        (wants(REGISTRY), seen({REGISTRY: SeenSecret()}), [], ["SecretUnverified"]),
        (wants(REGISTRY), seen({REGISTRY: SeenSecret()}, marks={REGISTRY: "m1"}), [], []),
        (
            wants(REGISTRY, "m2"),
            seen({REGISTRY: SeenSecret()}, marks={REGISTRY: "m1"}),
            [WriteSecret("dev", REGISTRY, "its content has changed")],
            [],
        ),
        (
            wants(REGISTRY),
            seen({REGISTRY: SeenSecret()}, marks={REGISTRY: "rewrite"}),
            [WriteSecret("dev", REGISTRY, "a person asked for it")],
            [],
        ),
        (wants(REGISTRY), seen(unlisted=frozenset({("registry", "")})), [], ["NotAllowed"]),
        (wants(REGISTRY, unread="GHCR_TOKEN unset"), seen(), [], ["MissingSecret"]),
        (wants(LOGIN), seen(), [], []),  # registered by the first publish
        (
            wants(LOGIN, "m2"),
            seen({LOGIN: SeenSecret()}, marks={LOGIN: "m1"}),
            [WriteSecret("dev", LOGIN, "its content has changed")],
            [],
        ),
        (wants(TOKEN), seen({TOKEN: SeenSecret(labels=OURS)}), [], []),
        (
            wants(TOKEN, "m2"),
            seen({TOKEN: SeenSecret(labels=OURS)}),
            [WriteSecret("dev", TOKEN, "its content has changed")],
            [],
        ),
        (
            wants(TOKEN),
            seen({TOKEN: SeenSecret(labels=OURS)}, marks={TOKEN: "rewrite"}),
            [WriteSecret("dev", TOKEN, "a person asked for it")],
            [],
        ),
        (wants(TOKEN), seen({TOKEN: SeenSecret(labels=OURS | {OWNER_LABEL: "others"})}), [], ["Contested"]),
        (wants(TOKEN), seen(groups={}), [], ["ResourceGroupPending"]),
        (wants(TOKEN), seen(groups={"team-a": SeenGroup("PROVISIONING")}), [], ["ResourceGroupPending"]),
        (
            wants(SHARED),
            seen({SHARED: SeenSecret(labels=OURS, missing_in=("team-b",))}),
            [],
            ["SecretCopying"],
        ),
        (wants(STORE, visible={BUCKET: "ml"}), seen({STORE: SeenSecret()}), [], ["SecretDiffers"]),
        (
            wants(STORE, visible={BUCKET: "ml"}),
            seen({STORE: SeenSecret({BUCKET: "other"})}, marks={STORE: "m1"}),
            [WriteSecret("dev", STORE, "bucket is other, wanted ml")],
            [],
        ),
        (
            wants(STORE, visible={BUCKET: "ml"}),
            seen({STORE: SeenSecret({BUCKET: "other"})}, marks={STORE: "m1"}, written=frozenset({STORE})),
            [],
            ["SecretDiffers"],
        ),
    ],
)
def test_secrets(secret: WantSecret, there: SeenTenant, actions: list[Action], reasons: list[str]) -> None:
    plan = plan_tenant(want(secret), there)
    assert list(plan.actions) == actions
    assert [h.reason for h in plan.holds] == reasons


LABELS = {"ext.ai.sap.com/cost": "4711"}
WANTED = WantGroup("team-a", create=True, labels=LABELS)


@pytest.mark.parametrize(
    ("group", "there", "actions", "reasons"),
    [
        (
            WANTED,
            {},
            [CreateGroup("dev", "team-a", tuple(sorted((LABELS | {OWNER_LABEL: "team"}).items())))],
            ["ResourceGroupPending"],
        ),
        (WantGroup("team-a", labels=LABELS), {}, [], ["ResourceGroupMissing"]),
        (WANTED, None, [], ["NotAllowed"]),
        (WANTED, {"team-a": SeenGroup("PROVISIONING", labels=LABELS)}, [], ["ResourceGroupPending"]),
        (WANTED, {"team-a": SeenGroup("ERROR", "no space", LABELS)}, [], ["ResourceGroupNotReady"]),
        (WANTED, {"team-a": SeenGroup("PROVISIONED", labels=LABELS)}, [], []),
        (
            WANTED,
            {"team-a": SeenGroup("PROVISIONED", labels={"ext.ai.sap.com/x": "theirs"})},
            [LabelGroup("dev", "team-a", (("ext.ai.sap.com/cost", "4711"), ("ext.ai.sap.com/x", "theirs")))],
            [],
        ),
        (WANTED, {"team-a": SeenGroup("PROVISIONED", labels={OWNER_LABEL: "others"})}, [], ["Contested"]),
    ],
)
def test_groups(
    group: WantGroup, there: dict[str, SeenGroup] | None, actions: list[Action], reasons: list[str]
) -> None:
    plan = plan_tenant(want(groups=(group,)), SeenTenant(there))
    assert list(plan.actions) == actions
    assert [h.reason for h in plan.holds] == reasons


def test_what_is_no_longer_declared_is_left_and_said_and_its_mark_goes_with_it() -> None:
    there = seen({REGISTRY: SeenSecret(), TOKEN: SeenSecret(labels=OURS)}, marks={REGISTRY: "m1"})
    plan = plan_tenant(want(), there)
    assert plan.actions == ()
    assert [(h.reason, h.subject) for h in plan.holds] == [
        ("SecretLeft", "docker registry secret registry"),
        ("SecretLeft", "secret token in team-a"),
    ]
    gone = plan_tenant(want(), seen(marks={REGISTRY: "m1"}))
    assert [(a.path, a.data) for a in gone.actions if isinstance(a, Remember)] == [
        ("marks/dev/registry/tenant/registry", None)
    ]
    unsure = plan_tenant(want(), seen(marks={REGISTRY: "m1"}, unlisted=frozenset({("registry", "")})))
    assert not unsure


def test_while_everything_is_suspended_nothing_is_written() -> None:
    block = Hold(Stage.CONFIGURE, "FlowSuspended", "by ada", mark=Mark.OFF)
    plan = plan_tenant(want(wants(REGISTRY), blocked=(block,)), seen())
    assert plan.actions == ()
    assert block in plan.holds


@pytest.mark.parametrize("identity", [STORE, TOKEN, SHARED, REGISTRY, LOGIN])
def test_a_mark_is_found_under_its_path(identity: SecretId) -> None:
    assert marks_of({identity.path("dev"): b"m1\n", "marks/other/x": b"m"}, "dev") == {identity: "m1"}
    assert marks_of({identity.path("dev"): b"m1\n"}, "prod") == {}


def test_a_mark_tells_content_and_place_apart_and_needs_the_key() -> None:
    marks = {
        mark_of(key, identity, values, shown)
        for key in (b"k1", b"k2")
        for identity in (STORE, TOKEN)
        for values in ({"a": "1"}, {"a": "2"})
        for shown in ({}, {BUCKET: "ml"})
    }
    assert len(marks) == 16
    assert mark_of(b"k1", TOKEN, {"a": "1", "b": "2"}, {}) == mark_of(b"k1", TOKEN, {"b": "2", "a": "1"}, {})
