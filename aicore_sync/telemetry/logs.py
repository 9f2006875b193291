"""structlog set-up: one line per thing that happened, readable on a terminal, JSON elsewhere."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import Processor

from aicore_sync.telemetry.masking import Masker

Format = Literal["auto", "json", "console"]


def configure_logging(
    level: str = "info",
    format: Format = "auto",  # noqa: A002 -- the word of the configuration file
    *,
    masker: Masker,
    stream: TextIO | None = None,
) -> None:
    """Sends every log line of the process to `stream` (default: stderr), masked.

    `level` is debug, info, warning or error and holds for our own lines; libraries speak from WARNING on.
    `format` auto means console when `stream` is a terminal, else JSON. Raises ValueError for another level.
    """
    out = stream or sys.stderr
    threshold = logging.getLevelNamesMapping().get(level.upper())
    if threshold is None:
        raise ValueError(f"log level {level!r}: expected debug, info, warning or error")
    ending = _ending(_renderer(format, out), masker)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    _route_libraries(ending, out)


def _ending(renderer: Processor, masker: Masker) -> list[Processor]:
    """What ours and the libraries' lines share. Masking comes last: nothing after it adds text."""
    return [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        masker.event,
        renderer,
    ]


def _renderer(format: Format, out: TextIO) -> Processor:  # noqa: A002
    terminal = out.isatty()
    if format == "json" or (format == "auto" and not terminal):
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(
        colors=terminal and not os.environ.get("NO_COLOR"), exception_formatter=structlog.dev.plain_traceback
    )


def _route_libraries(ending: list[Processor], out: TextIO) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _drop_private, *ending],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)


def _drop_private(_logger: Any, _method: str, event: Any) -> Any:
    event.pop("_record", None)
    return event
