"""Resource groups and secrets: created where absent, written anew when their content changes, never deleted."""

from __future__ import annotations

from collections.abc import Iterator

from aicore_sync.core.actions import CreateGroup, LabelGroup, Plan, Remember, WriteSecret
from aicore_sync.core.model import Hold, Mark, Stage
from aicore_sync.core.resources import (
    EVERYWHERE,
    MARK_LABEL,
    OWNER_LABEL,
    REWRITE,
    SecretId,
    SeenGroup,
    SeenSecret,
    SeenTenant,
    WantGroup,
    WantSecret,
    WantTenant,
)

AGAIN = 10.0  # seconds until a resource group that is being made is looked at again
FORCE = "aicore-sync apply --force-secrets"


def plan_tenant(want: WantTenant, seen: SeenTenant) -> Plan:
    """What to do for a tenant; every group and secret by itself."""
    plan = Plan(holds=want.notes)
    for group in want.groups:
        plan += _group(group, want, seen)
    for secret in want.secrets:
        plan += _secret(secret, want, seen)
    plan += _left(want, seen)
    if want.blocked and plan.actions:
        return Plan(holds=(*plan.holds, *want.blocked))
    return plan


def _group(group: WantGroup, want: WantTenant, seen: SeenTenant) -> Plan:
    subject, tenant = f"resource group {group.id}", want.key.tenant
    if seen.groups is None:
        words = f"the service key of tenant {tenant} may not list resource groups; use one that may"
        return _say("NotAllowed", words, subject, Mark.FAIL)
    found = seen.groups.get(group.id)
    labels = {**group.labels, OWNER_LABEL: want.owner}
    if found is None and not group.create:
        words = f"tenant {tenant} has none; set `createGroup: true`, create it yourself, or correct its name"
        return _say("ResourceGroupMissing", words, subject, Mark.FAIL)
    if found is None:
        hold = _hold("ResourceGroupPending", "is being created", subject, after=AGAIN)
        return Plan((CreateGroup(tenant, group.id, tuple(sorted(labels.items()))),), (hold,))
    owner = found.labels.get(OWNER_LABEL, want.owner)
    if owner != want.owner:
        words = (
            f"belongs to the owner {owner}, and its labels are left alone; remove `groupLabels` here or there"
        )
        return _say("Contested", words, subject, Mark.FAIL) if group.labels else Plan()
    return _labels(group, found, want) + _state(found, subject)


def _labels(group: WantGroup, found: SeenGroup, want: WantTenant) -> Plan:
    """Labels that others set stay. A group that existed before us gets no owner: it is not ours."""
    if all(found.labels.get(key) == value for key, value in group.labels.items()):
        return Plan()
    merged = {**found.labels, **group.labels}
    return Plan((LabelGroup(want.key.tenant, group.id, tuple(sorted(merged.items()))),))


def _state(found: SeenGroup, subject: str) -> Plan:
    said = f"{found.status}: {found.message}" if found.message else found.status
    if found.status.upper() == "PROVISIONING":
        return Plan(holds=(_hold("ResourceGroupPending", said, subject, after=AGAIN),))
    if found.status.upper() == "ERROR":
        return _say("ResourceGroupNotReady", said, subject, Mark.FAIL)
    return Plan()


def _secret(secret: WantSecret, want: WantTenant, seen: SeenTenant) -> Plan:
    subject, found = str(secret.id), seen.secrets.get(secret.id)
    if secret.unread:
        return _say("MissingSecret", secret.unread, subject, Mark.FAIL)
    waits = _not_yet(secret.id, want, seen)
    if waits:
        return waits
    if found is None:
        if secret.id.kind == "repository":
            return Plan()  # the first publish registers it
        return Plan((WriteSecret(want.key.tenant, secret.id, "it does not exist", new=True),))
    owner = found.labels.get(OWNER_LABEL, want.owner)
    if owner != want.owner:
        words = f"belongs to the owner {owner} and is left alone; give one of the two another name"
        return _say("Contested", words, subject, Mark.FAIL)
    return _compared(secret, found, want, seen) + _copies(secret.id, found)


def _not_yet(identity: SecretId, want: WantTenant, seen: SeenTenant) -> Plan:
    """Why nothing can be known or written there now."""
    subject = str(identity)
    if (identity.kind, identity.group) in seen.unlisted:
        words = f"the service key of tenant {want.key.tenant} may not list them, so it is not written"
        return _say("NotAllowed", words, subject, Mark.FAIL)
    if identity.group in ("", EVERYWHERE) or seen.groups is None:
        return Plan()
    group = seen.groups.get(identity.group)
    if group is None or group.status.upper() != "PROVISIONED":
        words = f"waits for the resource group {identity.group}"
        return Plan(holds=(_hold("ResourceGroupPending", words, subject, after=AGAIN),))
    return Plan()


def _known(secret: WantSecret, found: SeenSecret, seen: SeenTenant) -> str:
    """The mark of what was written last; "" when it was never ours to write."""
    recorded = seen.marks.get(secret.id, "")
    return recorded if secret.id.kind != "secret" or recorded else found.labels.get(MARK_LABEL, "")


def _compared(secret: WantSecret, found: SeenSecret, want: WantTenant, seen: SeenTenant) -> Plan:
    subject, known = str(secret.id), _known(secret, found, seen)
    differs = sorted(key for key, value in secret.visible.items() if found.visible.get(key, "") != value)
    details = ", ".join(
        f"{key.rpartition('/')[2]} is {found.visible.get(key, '') or 'absent'}, wanted {secret.visible[key]}"
        for key in differs
    )
    if not known and differs:
        words = (
            f"was not written by us, and {details}; correct the configuration, or take it over with: {FORCE}"
        )
        return _say("SecretDiffers", words, subject, Mark.FAIL)
    if not known:
        words = f"was not written by us; whether its value is the configured one is not known. To be sure: {FORCE}"
        return _say("SecretUnverified", words, subject, Mark.OFF)
    if known == secret.mark and not differs:
        return Plan()
    if known == secret.mark and secret.id in seen.written:
        words = f"{details}, although it was written within the hour; see who changes it, or what AI Core makes of it"
        return _say("SecretDiffers", words, subject, Mark.FAIL)
    why = {REWRITE: "a person asked for it", secret.mark: details}.get(known, "its content has changed")
    return Plan((WriteSecret(want.key.tenant, secret.id, why),))


def _copies(identity: SecretId, found: SeenSecret) -> Plan:
    if not found.missing_in:
        return Plan()
    names = ", ".join(found.missing_in[:5])
    words = f"AI Core has not copied it yet to {len(found.missing_in)} resource groups: {names}"
    return Plan(holds=(_hold("SecretCopying", words, str(identity), after=60.0),))


def _left(want: WantTenant, seen: SeenTenant) -> Plan:
    """What we wrote once and the configuration no longer declares: left there, and said; the mark goes with it."""
    plan = Plan()
    wanted = {secret.id for secret in want.secrets}
    for identity in sorted(set(_ours(want, seen)) - wanted):
        if (identity.kind, identity.group) in seen.unlisted:
            continue
        if identity in seen.secrets:
            words = "is no longer in the configuration; delete it in the Launchpad when nothing uses it"
            plan += _say("SecretLeft", words, str(identity), Mark.OFF)
        elif identity in seen.marks:
            path, note = identity.path(want.key.tenant), f"{identity} is gone"
            plan += Plan((Remember(path, None, note),))
    return plan


def _ours(want: WantTenant, seen: SeenTenant) -> Iterator[SecretId]:
    yield from seen.marks
    for identity, found in seen.secrets.items():
        if found.labels.get(OWNER_LABEL) == want.owner:
            yield identity


def _say(reason: str, words: str, subject: str, mark: Mark) -> Plan:
    return Plan(holds=(_hold(reason, words, subject, mark=mark),))


def _hold(
    reason: str, words: str, subject: str, *, after: float | None = None, mark: Mark = Mark.WAIT
) -> Hold:
    return Hold(Stage.CONFIGURE, reason, words, subject, after=after, mark=mark)
