"""Forms as browsers send them: `application/x-www-form-urlencoded`, small, each field once."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

LARGEST = 64 * 1024


async def form(request: Request) -> dict[str, str]:
    """The fields; none for a body of another type. The body can be read again. Raises 413 for a large one."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    body = await limited_body(request, LARGEST)
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))


async def limited_body(request: Request, largest: int) -> bytes:
    """The body, at most `largest` bytes; it is not read further than that. Raises 413 for more."""
    if hasattr(request.state, "body"):
        kept: bytes = request.state.body
        return kept
    declared = request.headers.get("content-length", "0")
    read = bytearray()
    if declared.isdecimal() and int(declared) <= largest:
        async for part in request.stream():
            read += part
            if len(read) > largest:
                break
    if len(read) > largest or not declared.isdecimal() or int(declared) > largest:
        raise HTTPException(413, f"at most {largest} bytes")
    request.state.body = body = bytes(read)
    return body
