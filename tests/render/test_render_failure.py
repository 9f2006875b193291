"""What a failed render says: enough to mend it, and never so much that a status is full of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from aicore_sync.render import RenderFailed, RenderJob
from aicore_sync.render.child import Ended, Limits
from aicore_sync.render.failure import explained, silent
from aicore_sync.render.verify import Failure, Frame, parse_report

JOB = RenderJob(Path("/room/work"), "flow.py", "s3://bucket/root", "a-flow")
HUGE = "x" * 10_000_000
FRAME = Frame(file="flow.py", line=7, function="f", text=HUGE[:10_000])


@pytest.mark.parametrize(
    "failure",
    [
        Failure(headline=f"ValueError: {HUGE}", message="", frames=[]),
        Failure(headline="", message=HUGE, frames=[]),
        Failure(headline="", message=f"flows:{HUGE}", frames=[]),
        Failure(headline="E", message="", frames=[FRAME] * 9999),
    ],
    ids=["headline", "message", "flows", "frames"],
)
def test_no_failure_fills_a_status(failure: Failure) -> None:
    error = explained(failure, JOB)
    assert len(error.message) < 7000
    assert len(error.detail) < 4100
    assert error.message.startswith("flow.py")


def test_an_exception_has_a_kilobyte() -> None:
    text = f"ValueError: /room/work/data.csv {HUGE}"
    message = explained(Failure(headline=text, message="", frames=[]), JOB).message
    assert message.startswith("flow.py: ValueError: data.csv xxx")
    assert 1000 < len(message) < 1020


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("/home/x/.cache/envs/a/lib/python3.11/site-packages/metaflow/cli.py:7", "metaflow/cli.py:7"),
        ("/usr/lib/python3.11/json/decoder.py", "json/decoder.py"),
        (
            "/home/somebody/.cache/extension/3fa2/metaflow_extensions/aicore_sync/x.py",
            "metaflow_extensions/aicore_sync/x.py",
        ),
        ("No such file: '/data/in.csv'", "No such file: '/data/in.csv'"),
    ],
)
def test_where_environments_lie_is_not_told(said: str, shown: str) -> None:
    assert explained(Failure(headline="", message=said, frames=[]), JOB).message == f"flow.py: {shown}"
    ended = Ended(1, timed_out=False, flooded=False, result=b"", errors=said, stuck="")
    error = silent(ended, JOB, Limits(60, 1 << 30, 1 << 20))
    assert isinstance(error, RenderFailed)
    assert error.detail == shown


def test_a_refusal_names_twenty_places() -> None:
    cure = f"AI Core pods cannot install conda or pip environments of Metaflow; {HUGE[:110]}"
    places = [f"step a_step_with_a_name_{n} (line {n}): @pypi: {cure}" for n in range(1, 21)]
    failure = Failure(headline="AI Core cannot run this flow", message="\n".join(places), frames=[])
    assert "a_step_with_a_name_20 (line 20): @pypi: AI Core" in explained(failure, JOB).message


def test_a_place_that_no_path_can_have_is_no_report() -> None:
    frame = '{"file": "%s", "line": 1, "function": "", "text": ""}'
    report = '{"failure": {"headline": "", "message": "", "frames": [' + frame + "]}}"
    assert parse_report((report % "flow.py").encode()) is not None
    assert parse_report((report % HUGE[:5000]).encode()) is None
