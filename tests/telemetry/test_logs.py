from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog

from aicore_sync.telemetry import MASK, Masker, configure_logging

CANARY = "canary-7f3a-secret"


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_event_becomes_one_json_line_where_no_terminal_is() -> None:
    out = io.StringIO()
    configure_logging("info", masker=Masker(), stream=out)
    structlog.get_logger().info("git_pushed", branch="main")
    structlog.get_logger().debug("not_shown")
    [line] = lines(out)
    assert line.pop("timestamp")
    assert line == {"event": "git_pushed", "branch": "main", "level": "info"}


def test_no_secret_gets_out_by_fields_exceptions_or_libraries() -> None:
    out = io.StringIO()
    configure_logging("debug", "json", masker=Masker([CANARY]), stream=out)
    log = structlog.get_logger()
    log.info(f"event {CANARY}", field=CANARY, nested={"deep": [CANARY]}, **{CANARY: 1})
    try:
        raise RuntimeError(f"push to https://u:{CANARY}@host failed")
    except RuntimeError:
        log.exception("push_failed")
        logging.getLogger("httpx").error("request with %s", CANARY, exc_info=True)
    warnings.warn(f"deprecated {CANARY}", stacklevel=1)
    assert len(lines(out)) == 4
    assert CANARY not in out.getvalue()
    assert "RuntimeError: push to https://***@host failed" in str(lines(out)[1]["exception"])
    assert lines(out)[2]["logger"] == "httpx"


def test_a_secret_that_is_registered_later_is_masked_from_then_on() -> None:
    out, masker = io.StringIO(), Masker()
    configure_logging("info", masker=masker, stream=out)
    masker.add(CANARY)
    structlog.get_logger().info("rotated", value=CANARY)
    assert lines(out)[0]["value"] == MASK


def test_libraries_are_silent_below_warning() -> None:
    out = io.StringIO()
    configure_logging("debug", "json", masker=Masker(), stream=out)
    logging.getLogger("apscheduler").info("Added job")
    logging.getLogger("apscheduler").warning("Run time was missed")
    assert [line["event"] for line in lines(out)] == ["Run time was missed"]


def test_a_terminal_gets_readable_lines_without_colour_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    configure_logging("info", masker=Masker([CANARY]), stream=out)
    try:
        raise ValueError(CANARY)
    except ValueError:
        structlog.get_logger().exception("render_failed", flow="train")
    assert "render_failed" in out.getvalue()
    assert "flow=train" in out.getvalue()
    assert "\x1b" not in out.getvalue()
    assert CANARY not in out.getvalue()


def test_an_unknown_level_is_named() -> None:
    with pytest.raises(ValueError, match="log level 'loud': expected debug, info, warning or error"):
        configure_logging("loud", masker=Masker())
