"""Which paths of the source count: globs, and what is never looked at."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

# Directories of version control. Links into them are refused: their content is not source and may hold credentials.
VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".bzr", "CVS", "_darcs"})
_TOOL_DIRECTORIES = frozenset({"__pycache__", "node_modules"})
_EDITOR_FILE = re.compile(r"(.*~|.*\.(swp|swo|swx|pyc|pyo|tmp|part)|#.*#|4913|.*___jb_(tmp|old)___)\Z")


def is_noise(name: str) -> bool:
    """True for one path component that is hidden, a cache, or an editor's passing file."""
    known = name in _TOOL_DIRECTORIES or name in VERSION_CONTROL
    return known or name.startswith(".") or bool(_EDITOR_FILE.match(name))


def is_source(path: str) -> bool:
    """True when no component of a path is noise."""
    return not any(map(is_noise, path.split("/")))


def selected(path: str, include: tuple[str, ...], exclude: tuple[str, ...]) -> bool:
    """True when the relative posix `path` matches an include glob (or there is none) and no exclude glob."""
    return (not include or matches(path, include)) and not matches(path, exclude)


def matches(path: str, globs: Iterable[str]) -> bool:
    """True when one of `globs` matches `path`.

    `*` and `?` stay within a component, `**` spans components; a glob without a slash matches at any depth; one that
    ends with `/`, and one that matches a parent directory, covers everything below.
    """
    return any(_compiled(glob).match(path) for glob in globs)


@lru_cache(maxsize=1024)
def _compiled(glob: str) -> re.Pattern[str]:
    directory = glob.endswith("/")
    body = glob.strip("/")
    anywhere = "/" not in body and not glob.startswith("/")
    parts = re.findall(r"\*\*/|\*\*|\*|\?|\[!?[^\]]+\]|.", body)
    pattern = ("(?:.*/)?" if anywhere else "") + "".join(map(_part, parts))
    try:
        return re.compile(pattern + ("/.*" if directory else "(?:/.*)?") + r"\Z", re.DOTALL)
    except re.error:  # a range such as [z-a] selects nothing but itself
        return re.compile(re.escape(body) + r"\Z")


def _part(token: str) -> str:
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if token in known:
        return known[token]
    if token.startswith("[") and len(token) > 1:
        return "[" + token[1:-1].replace("\\", r"\\").replace("!", "^", token[1] == "!") + "]"
    return re.escape(token)
