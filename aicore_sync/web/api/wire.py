"""What all answers of the API have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

PREFIX = "/api/v1"
ANY_NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
FlowName = Annotated[str, StringConstraints(pattern=ANY_NAME)]


class Wire(BaseModel):
    """camelCase on the wire, as in the configuration file and in AI Core's own API."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class Order(Wire):
    """What somebody wants done. An unknown key is refused: without it, more would be meant than was asked."""

    model_config = ConfigDict(extra="forbid")


class ErrorBody(Wire):
    """What went wrong and what to do about it."""

    code: int = Field(description="The HTTP status")
    title: str
    message: str = Field(description="One sentence for people, with the cure where there is one")
    reason: str = Field("", description="One PascalCase word for machines, such as NotFound; may be empty")


class ErrorOut(Wire):
    """Every answer from 400 on."""

    error: ErrorBody


def errors(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route for its description."""
    return {code: {"model": ErrorOut, "description": _WORDS[code]} for code in codes}


_WORDS = {
    400: "the request cannot be read",
    401: "a login is needed",
    403: "not allowed",
    404: "there is no such thing",
    409: "not possible now; the message says why",
    413: "the body is too large",
    422: "a value is wrong; the message names it",
    503: "git or AI Core cannot be reached now",
}
