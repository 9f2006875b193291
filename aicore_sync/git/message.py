"""The words of a commit: a subject that people read, the files, trailers that machines read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

SUBJECT_WIDTH = 72


def compose(
    titles: Iterable[str], files: Iterable[tuple[str, bool]], trailers: Iterable[tuple[str, str]]
) -> str:
    """The message; `files` are (path, whether it is written rather than removed)."""
    body = [f"- {'write' if written else 'remove'} {path}" for path, written in sorted(files)]
    tail = list(dict.fromkeys(f"{_line(token)}: {_line(value)}" for token, value in trailers))
    parts = [subject(list(dict.fromkeys(map(_line, titles)))), "\n".join(body), "\n".join(tail)]
    return "\n\n".join(filter(None, parts)) + "\n"


def paths_of(message: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The files that a commit with such a message wrote, and those that it removed."""
    lines = message.splitlines()
    written, removed = (
        tuple(line.removeprefix(start) for line in lines if line.startswith(start))
        for start in ("- write ", "- remove ")
    )
    return written, removed


def subject(titles: Sequence[str]) -> str:
    """`flows: churn-train, evaluate`, with `and N more` where the line would get too long."""
    for shown in range(len(titles), 0, -1):
        rest = len(titles) - shown
        text = f"flows: {', '.join(titles[:shown])}" + (f" and {rest} more" if rest else "")
        if len(text) <= SUBJECT_WIDTH:
            return text
    return f"flows: {len(titles)} changed"


def _line(text: str) -> str:
    return " ".join(text.split())
