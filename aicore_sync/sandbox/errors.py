"""Refusals, in the shape of the AI-API: `{"error": {"code", "message", "requestId"}}`, or plain text."""

from __future__ import annotations

import uuid
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException


class Refusal(Exception):
    """Answer with `status`; `code` is AI Core's domain code, made from the status when not given."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or f"01010{status:03d}"

    def body(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "requestId": str(uuid.uuid4())}


class PlainRefusal(Exception):
    """Answer as the gateway in front of AI Core does: plain text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def missing(what: str, name: str) -> Refusal:
    """404 for one thing."""
    return Refusal(404, f"{what} {name} not found")


def install(app: FastAPI) -> None:
    """Turn every kind of failure of a request into the AI-API's words."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, error: Refusal) -> Response:
        return JSONResponse({"error": error.body()}, error.status)

    @app.exception_handler(PlainRefusal)
    async def gateway(_: Request, error: PlainRefusal) -> Response:
        return PlainTextResponse(error.text, error.status)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return JSONResponse({"error": Refusal(400, f"Invalid Request, {place}: {first['msg']}").body()}, 400)

    @app.exception_handler(HTTPException)
    async def framework(_: Request, error: HTTPException) -> Response:
        return JSONResponse(
            {"error": Refusal(error.status_code, str(error.detail)).body()}, error.status_code
        )
