"""What stands behind the `?` of an address."""

from __future__ import annotations

from fastapi import Request

from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.core.problems import did_you_mean


async def only_known(request: Request) -> None:
    """Raises InvalidInput for a key that the description of the route does not have.

    A filter that is misspelt would otherwise be none, and the answer, or the action, about more than was asked.
    """
    route = request.app.openapi()["paths"][request.scope["route"].path][request.method.lower()]
    known = sorted(one["name"] for one in route.get("parameters", ()) if one["in"] == "query")
    expected = f"one of {', '.join(known)}" if known else "none"
    wrong = dict.fromkeys(key[:80] for key in request.query_params if key not in known)
    if wrong:
        raise InvalidInput(
            [Problem("query", 0, key, "an unknown key", expected, did_you_mean(key, known)) for key in wrong]
        )
