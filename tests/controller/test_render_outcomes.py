"""How long failed renders are remembered."""

from __future__ import annotations

import pytest

from aicore_sync.controller.outcomes import AGAIN, Outcomes
from aicore_sync.core.errors import InvalidInput, Problem, Stalled
from aicore_sync.core.lint import LintFailed
from aicore_sync.render import RenderFailed


class Clock:
    now = 1e6

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("failure", "lasts"),
    [
        (RenderFailed("flow.py:3: NameError: x", file="flow.py", line=3), True),
        (InvalidInput([Problem("aicore.yaml", 1, "requirements", "nothing", "a file")]), True),
        (LintFailed(()), True),
        (RenderFailed("flow.py: not rendered within 60 s and stopped", file="flow.py"), False),
        (RenderFailed("flow.py: ended with exit code 70"), False),
        (Stalled("no interpreter", reason="EnvironmentFailed"), False),
        (Stalled("no walls", reason="SandboxUnavailable"), False),
    ],
)
def test_only_what_equal_inputs_repeat_is_kept(failure: Stalled, lasts: bool) -> None:
    clock = Clock()
    outcomes = Outcomes[str](clock)
    outcomes.put("digest", failure)
    clock.now += AGAIN - 1
    assert outcomes.get("digest") is failure  # not once per pass
    clock.now += 1
    assert outcomes.get("digest") is (failure if lasts else None)


def test_a_result_is_kept_until_it_is_forgotten() -> None:
    clock = Clock()
    outcomes = Outcomes[str](clock)
    outcomes.put("digest", "template")
    clock.now += 1e9
    assert outcomes.get("digest") == "template"
    outcomes.forget("digest")
    assert outcomes.get("digest") is None
