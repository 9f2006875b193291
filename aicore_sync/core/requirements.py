"""A flow's own requirements file: names and versions only.

What pip offers beside them (options, addresses, paths, other files) would let a flow choose where packages come from,
or read files of the machine that installs them.
"""

from __future__ import annotations

import re

from aicore_sync.core.errors import InvalidInput, Problem

_SPECIFIER = r"\s*(?:===|==|~=|!=|<=|>=|<|>)\s*[A-Za-z0-9.*+!_-]+\s*"
_LINE = re.compile(
    rf"[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[A-Za-z0-9._,\s-]*\])?(\(?{_SPECIFIER}(,{_SPECIFIER})*\)?)?"
    r"""\s*(;[A-Za-z0-9_.\s'"<>=!()-]*)?"""
)


def own_requirements(text: str, file: str) -> tuple[str, ...]:
    """The requirements of a file, in its order, without comments. Raises InvalidInput naming every other line."""
    found, problems = [], []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = re.sub(r"(^|\s)#.*", "", raw).strip()
        if not line:
            continue
        if _LINE.fullmatch(line):
            found.append(line)
        else:
            cure = "options, URLs, paths and further files belong to the configuration: name an environment there"
            problems.append(Problem(file, number, "", line[:80], "a package such as pandas==2.2.3", cure))
    if problems:
        raise InvalidInput(problems)
    return tuple(found)
