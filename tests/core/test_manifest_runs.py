"""What manifests say about failures, concurrency and retention."""

from __future__ import annotations

import pytest

from aicore_sync.core.desired import Retention, Retry
from aicore_sync.core.errors import InvalidInput
from aicore_sync.core.manifest import for_environment, parse_manifest
from aicore_sync.core.wanted import want_configurations

HEAD = "template: wt.yaml\nexecutable: {id: churn}\nenvironments: [dev]\n"


def wanted(keys: str, overlay: str = "") -> tuple[Retry | None, str | None, Retention | None]:
    text = f"{HEAD}configurations: [{{name: c{', ' if keys else ''}{keys}}}]\n"
    if overlay:
        text += f"overlays: {{dev: {{configurations: [{{name: c, {overlay}}}]}}}}\n"
    (made,) = want_configurations(for_environment(parse_manifest(text, "aicore.yaml"), "dev"))
    return made.on_failure, made.concurrency, made.retention


def test_what_is_not_said_is_left_to_the_service() -> None:
    assert wanted("") == (None, None, None)


def test_hold_is_said_and_is_not_the_same_as_nothing() -> None:
    assert wanted("onFailure: hold")[0] == Retry(0, 0)


def test_times_and_durations_are_read() -> None:
    retention = "retention: {keep: 3, youngerThan: 2d, logs: directory}"
    keys = f"onFailure: {{retry: {{times: 2, backoff: 90s}}}}, concurrency: replace, {retention}"
    assert wanted(keys) == (Retry(2, 90), "replace", Retention(3, 172800, logs="directory"))
    assert wanted("onFailure: {retry: {times: 1}}")[0] == Retry(1, 300)
    assert wanted("retention: {}")[2] == Retention(), "a rule that keeps all, whatever the service says"


def test_an_overlay_replaces_one_by_the_other() -> None:
    retry = "onFailure: {retry: {times: 2}}"
    assert wanted(retry, "onFailure: hold")[0] == Retry(0, 0)
    assert wanted("onFailure: hold", retry)[0] == Retry(2, 300)
    assert wanted(retry, "onFailure: null")[0] is None
    assert wanted("retention: {keep: 3, foreign: true}", "retention: {keep: 5}")[2] == Retention(
        5, foreign=True
    )


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("onFailure: retry", "`hold`, or `retry`"),
        ("onFailure: {retry: {}}", "onFailure.retry.times: found nothing"),
        ("onFailure: {retry: {times: 0}}", "onFailure.retry.times: found 0"),
        ("onFailure: {retry: {times: 2, backof: 1m}}", "did you mean `backoff`"),
        ("concurrency: forbidden", "concurrency: found"),
        ("retention: {keep: 0}", "retention.keep: found 0"),
        ("retention: {olderThan: 3d}", "unknown key `olderThan`"),
        ("retention: {logs: yes please}", "'none', 'directory' or 'objectStore'"),
    ],
)
def test_mistakes_name_the_key_and_what_belongs_there(keys: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        wanted(keys)
    assert words in str(caught.value)
