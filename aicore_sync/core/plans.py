"""What `plan`, `diff`, `gc` and `check` print, as data."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from aicore_sync.core.actions import Plan
from aicore_sync.core.answers import Answer
from aicore_sync.core.difference import Change
from aicore_sync.core.model import Hold, Key
from aicore_sync.core.wording import describe


class ChangeAnswer(Answer):
    """One thing that changes, in words."""

    subject: str = Field(description="What changes, such as `step train`")
    what: str = Field(description="How, such as `resource plan starter → basic`")
    kind: str = Field(description="added, removed or changed")


class ActionAnswer(Answer):
    """Something that would be done."""

    stage: str = Field(description="publish, sync, configure, schedule or execute")
    what: str = Field(description="In words")


class HoldAnswer(Answer):
    """Something that waits, or that a person has to mend."""

    stage: str = Field(description="publish, sync, configure, schedule or execute")
    reason: str = Field(description="PascalCase word for machines, explained in troubleshooting.md")
    subject: str = Field(description="The object that it speaks of, empty for the whole stage")
    message: str = Field(description="One sentence for people")


class KeyPlan(Answer):
    """What is planned for a flow in an environment, or for a template."""

    key: str = Field(description="FLOW/ENVIRONMENT, or EXECUTABLE@TENANT for a template")
    actions: tuple[ActionAnswer, ...] = Field(description="What would be done, in this order")
    holds: tuple[HoldAnswer, ...] = Field(description="What waits, and for what")
    changes: tuple[ChangeAnswer, ...] = Field(
        description="What the source changes, in words, as `diff` says it"
    )


class PlanAnswer(Answer):
    """A plan."""

    fingerprint: str = Field(description="What `apply --expect` names")
    plans: tuple[KeyPlan, ...] = Field(description="One for each key")


class DifferenceAnswer(Answer):
    """What the source would change of a key."""

    key: str = Field(description="FLOW/ENVIRONMENT, or EXECUTABLE@TENANT for a template")
    changes: tuple[ChangeAnswer, ...] = Field(description="One for each thing that changes")
    raw: str = Field(description="The template file as a unified diff; empty where it does not change")


class TakenAway(Answer):
    """Something that nobody wants any more."""

    key: str = Field(description="FLOW/ENVIRONMENT, or EXECUTABLE@TENANT for a template")
    what: str = Field(description="In words")


class Kept(Answer):
    """Something that nobody wants any more and that waits."""

    key: str = Field(description="FLOW/ENVIRONMENT, or EXECUTABLE@TENANT for a template")
    reason: str = Field(description="PascalCase word for machines")
    message: str = Field(description="One sentence for people")


class GarbageAnswer(Answer):
    """What `gc` takes away."""

    actions: tuple[TakenAway, ...] = Field(description="What is taken away")
    waiting: tuple[Kept, ...] = Field(description="What stays for now, and why")
    retained: int = Field(description="Artifacts and configurations, which can never be deleted")


class CheckAnswer(Answer):
    """Something that the configuration or a flow relies on."""

    what: str = Field(description="What it is, such as a credential or a quota")
    place: str = Field(description="Where: a key of the configuration, a tenant, TENANT/ENVIRONMENT")
    state: str = Field(description="ok, missing or unknown")
    message: str = Field(description="Why it is missing, with the cure")
    reason: str = Field(description="PascalCase word of a failure; empty where there is none")


def key_plan(key: Key, plan: Plan, changes: Iterable[Change]) -> KeyPlan:
    """One key's plan as data."""
    return KeyPlan(
        key=str(key),
        actions=tuple(ActionAnswer(stage=a.stage.value, what=describe(a)) for a in plan.actions),
        holds=tuple(map(hold_answer, plan.holds)),
        changes=change_answers(changes),
    )


def hold_answer(hold: Hold) -> HoldAnswer:
    """A hold as data."""
    return HoldAnswer(stage=hold.stage.value, reason=hold.reason, subject=hold.subject, message=hold.message)


def change_answers(changes: Iterable[Change]) -> tuple[ChangeAnswer, ...]:
    """Changes as data."""
    return tuple(ChangeAnswer(subject=c.subject, what=c.what, kind=c.kind) for c in changes)
