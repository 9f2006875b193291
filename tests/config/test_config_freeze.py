"""Freeze windows in the configuration: what is taken, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from aicore_sync.config import Settings, example_yaml, parse_settings
from aicore_sync.core.errors import InvalidInput
from aicore_sync.core.freeze import Window


def loaded(freeze: str) -> Settings:
    return parse_settings(f"{example_yaml()}\nfreeze:\n  - {freeze}\n", Path("config.yaml"), {})


def test_a_window_is_read_with_its_defaults_and_translated_cron() -> None:
    settings = loaded("{cron: 0 18 * * FRI, duration: 2d14h}")
    assert [f.window() for f in settings.freeze] == [Window("0 18 * * 5", 62 * 3600.0)]


def test_every_key_reaches_the_window() -> None:
    text = "{cron: '@daily', duration: 8h, timezone: Europe/Berlin, environments: [dev], mode: allow}"
    assert loaded(text).freeze[0].window() == Window("0 0 * * *", 28800.0, "Europe/Berlin", ("dev",), "allow")


@pytest.mark.parametrize(
    ("freeze", "key", "words"),
    [
        ("{cron: 0 18 * * FRI, duration: 1d, timezone: Europe/Berln}", "timezone", "Europe/Berlin"),
        ("{cron: 0 18 * * FRI, duration: 1d, timezone: ../etc/passwd}", "timezone", "name of a time zone"),
        ("{cron: 0 18 * *, duration: 1d}", "cron", "five fields"),
        ("{cron: 0 18 * * 5, duration: 0}", "duration", "greater"),
        ("{cron: 0 18 * * 5, duration: 1d, environments: [dve]}", "environments[0]", "did you mean"),
        ("{cron: 0 18 * * 5, duration: 1d, mode: forbid}", "mode", "deny"),
    ],
)
def test_a_mistake_is_named_with_its_key(freeze: str, key: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        loaded(freeze)
    (problem,) = caught.value.problems
    assert problem.key == f"freeze[0].{key}"
    assert words in str(problem)
