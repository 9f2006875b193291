"""From a tree of YAML values to a pydantic model, with every mistake as a `Problem` that has a line and a cure."""

from __future__ import annotations

import difflib
import json
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from aicore_sync.core.document import Node, Path, key_text, nearest, plain
from aicore_sync.core.errors import InvalidInput, Problem, Stalled

M = TypeVar("M", bound=BaseModel)
Finding = tuple[Path, str, str, str]  # path, found, expected, cure

# Whatever stands below these keys may be a secret that somebody wrote into the file: never shown.
SECRET_KEYS = frozenset({"password", "serviceKey", "accessKeyId", "secretAccessKey", "sshKey", "token"})
_LONGEST = 80
_WORDS = {  # pydantic's words where they speak of types instead of what to write
    **dict.fromkeys(("string_type", "path_type"), "text"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "a mapping of keys to values"),
    **dict.fromkeys(("tuple_type", "list_type"), "a list"),
    "bool_type": "true or false",
    "int_type": "a whole number",
    "too_short": "at least one entry",
    "string_too_short": "text that is not empty",
}


def validate(model: type[M], node: Node, file: str, context: Mapping[str, Any] | None = None) -> M:
    """The model, or InvalidInput with all problems at once.

    Keys must be spelt as in the file format (camelCase); types are strict, so that what an editor with the
    JSON Schema accepts is what is accepted here.
    """
    if not isinstance(node.value, Mapping):
        raise InvalidInput(
            [problem_at(node, file, ((), shown(plain(node)), "a mapping of keys to values", ""))]
        )
    try:
        return model.model_validate_json(
            json.dumps(plain(node)), strict=True, by_alias=True, by_name=False, context=dict(context or {})
        )
    except ValidationError as error:
        raise InvalidInput(problems_of(error, model, node, file)) from None


def problems_of(error: ValidationError, model: type[BaseModel], node: Node, file: str) -> list[Problem]:
    """All problems of one failed validation, in the order of their lines."""
    everything = error.errors(include_url=False)
    # A list whose every entry is wrong counts as too short too; the entries say what is wrong.
    within = {detail["loc"][:at] for detail in everything for at in range(len(detail["loc"]))}
    details = [d for d in everything if d["type"] != "too_short" or d["loc"] not in within]
    return sorted(_problem(detail, model, node, file) for detail in details)


def problem_at(node: Node, file: str, finding: Finding) -> Problem:
    """A problem with the line of the nearest thing that stands in the file at the finding's path."""
    path, *words = finding
    return Problem(file, nearest(node, path)[0].line, key_text(path), *words)


def shown(value: object) -> str:
    """A value as it may appear in a message: short, and only its kind when it is large."""
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if value is None:
        return "null"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A cure that names the most similar known word, or lists what is known."""
    folded = {key.lower(): key for key in reversed(known)}
    close = difflib.get_close_matches(word.lower().replace("_", ""), list(folded), n=1, cutoff=0.6)
    return f"did you mean `{folded[close[0]]}`?" if close else "remove it or correct its name"


def unknown(what: str, name: str, known: Iterable[str]) -> Stalled:
    """The error for a name that there is not: what was meant perhaps, or what there is."""
    names = sorted(set(known))
    cure = did_you_mean(name, names)
    listed = f"known are: {', '.join(names[:20]) or 'none'}"
    return Stalled(f"there is no {what} {name}; {cure if '`' in cure else listed}", reason="NotFound")


def _problem(detail: ErrorDetails, model: type[BaseModel], node: Node, file: str) -> Problem:
    path = tuple(detail["loc"])
    if path and path[-1] == "[key]":  # pydantic's mark for a bad key of a mapping
        path = path[:-1]
    match detail["type"]:
        case "extra_forbidden":
            return _unknown_key(path, model, node, file)
        case "missing":
            place, _ = nearest(node, path)
            expected = f"`{path[-1]}`{_described(model, path)}"
            return Problem(file, place.line, key_text(path), "nothing", expected, "add the key")
    found = _found(detail, path, node)
    context = detail.get("ctx", {})
    if detail["type"] == "refused":
        finding = (path, context.get("found") or found, context["expected"], context["cure"])
        return problem_at(node, file, finding)
    cure = _quote_cure(detail, path, node)
    expected = _WORDS.get(detail["type"]) or detail["msg"].removeprefix("Input should ").removeprefix("be ")
    return problem_at(node, file, (path, found, expected, cure))


def _unknown_key(path: Path, model: type[BaseModel], node: Node, file: str) -> Problem:
    owner = model_at(model, path[:-1])
    known = sorted(field.alias or name for name, field in owner.model_fields.items()) if owner else []
    expected = "one of " + ", ".join(known)
    word = str(path[-1])
    return problem_at(node, file, (path, f"unknown key `{word}`", expected, did_you_mean(word, known)))


def _found(detail: ErrorDetails, path: Path, node: Node) -> str:
    if any(part in SECRET_KEYS for part in path):
        return "a value that is not shown here"
    place, reached = nearest(node, path)
    if reached == path and isinstance(place.value, int | float) and not isinstance(place.value, bool):
        return place.text or shown(place.value)
    return shown(detail["input"])


def _quote_cure(detail: ErrorDetails, path: Path, node: Node) -> str:
    place, reached = nearest(node, path)
    if detail["type"] != "string_type" or reached != path or any(part in SECRET_KEYS for part in path):
        return ""
    if place.value is None or isinstance(place.value, Mapping | tuple):
        return ""
    return f'quote it: "{place.text}"'


def _described(model: type[BaseModel], path: Path) -> str:
    owner = model_at(model, path[:-1])
    for name, field in owner.model_fields.items() if owner else ():
        if path[-1] in (name, field.alias) and field.description:
            return f": {field.description.removesuffix('.')}"  # the cure follows in the same sentence
    return ""


def model_at(model: Any, path: Path) -> type[BaseModel] | None:
    """The model class that describes the mapping at `path`, None where there is none."""
    current = _model_in(model)
    for at, part in enumerate(path):
        if current is None:
            return None
        if isinstance(part, int):
            continue
        field = next((f for n, f in current.model_fields.items() if part in (n, f.alias)), None)
        if field is None:
            return None
        following = path[at + 1] if at + 1 < len(path) else None
        if _is_mapping(field.annotation) and isinstance(following, str):
            inner = _model_in(field.annotation)
            return model_at(inner, path[at + 2 :]) if inner else None
        current = _model_in(field.annotation)
    return current


def _is_mapping(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType, Annotated):
        return any(_is_mapping(arg) for arg in get_args(annotation))
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
