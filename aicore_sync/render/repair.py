"""What SAP's plugin gets wrong, put right: pure functions from document to document.

    unpack joins → parameters by environment → secrets → environment values → the user's paths made relative

The faults were measured with sap-ai-core-metaflow 1.1.22; each function says which one it mends.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aicore_sync.core.cron import ELSEWHERE
from aicore_sync.render.model import RenderFailed, RenderJob

Document = dict[str, Any]
_UNPACKED_LIMIT = 1 << 20
_PARAMETER = re.compile(r"\{\{workflow\.parameters\.[\w-]+\}\}")
_DAYS = {name: str(number) for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))}
_AWS_DAYS = {**_DAYS, **{str(number + 1): str(number) for number in range(7)}}
_AWS_WEEKDAYS = re.compile("({0})(?:-({0}))?(?:/([1-7]))?".format("|".join(_AWS_DAYS)))
_UTC = frozenset({"", "UTC", "ETC/UTC", "ETC/GMT", "GMT", "ETC/UCT", "UCT", "ZULU", "ETC/ZULU", "UNIVERSAL"})
_MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTHS = {name: str(number) for number, name in enumerate(_MONTH_NAMES, start=1)}


def repaired(document: Mapping[str, Any], job: RenderJob) -> tuple[Document, tuple[str, ...]]:
    """The document as AI Core and bash need it, and what its owner should know.

    Raises RenderFailed for what no repair can carry: a text that Argo would substitute, or two parameters that share
    one environment variable.
    """
    done = unpack_joins(dict(document))
    done = parameters_by_environment(done)
    done = with_secrets(done, job.secrets)
    done = with_environment(done, job.environment)
    done, moved = relative_paths(done, str(job.directory))
    return done, (*mandatory_parameters(done), *moved)


def unpack_joins(document: Document) -> Document:
    """A join of about ten branches or more: Metaflow compresses the list of paths with Argo's {{tags}} inside,
    which Argo then cannot fill in. `input-paths: "!eJw..."` becomes the plain list that Metaflow also reads.
    """
    done: Document = _map_values(document, lambda text: _unpacked(text) if text.startswith("!eJ") else text)
    return done


def _unpacked(text: str) -> str:
    try:
        packed = base64.b64decode(text[1:], validate=True)
        return _inflate(_inflate(packed)).decode()
    except (ValueError, zlib.error):
        return text


def _inflate(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    plain = stream.decompress(data, _UNPACKED_LIMIT)
    if stream.unconsumed_tail:
        raise ValueError("too large")
    return plain


def parameters_by_environment(document: Document) -> Document:
    """The plugin pastes parameters unquoted into a bash script: of 36 values 24 break and 3 run commands.

    Metaflow also reads them from METAFLOW_INIT_<NAME>, where no shell sees them. The variables come first in
    the list, so that Kubernetes finds nothing to expand in them. Defaults turn from JSON into the raw text,
    and from `value` into `default`, which a configuration may override.
    """
    parameters = document.get("spec", {}).get("arguments", {}).get("parameters", [])
    names = [p["name"] for p in parameters]
    variables = _variables(names)

    def start(container: Document) -> Document:
        texts = [_without_options(a, names) for a in container.get("args", [])]
        if texts == container.get("args", []):
            return container
        return {**container, "args": texts, "env": [*variables, *container.get("env", [])]}

    changed = _map_containers(document, start) if names else document
    return _put(changed, ("spec", "arguments", "parameters"), [_declared(p) for p in parameters])


def _variables(names: Iterable[str]) -> list[dict[str, str]]:
    owners: dict[str, str] = {}
    for name in names:
        variable = "METAFLOW_INIT_" + name.upper().replace("-", "_")
        if variable in owners:
            raise RenderFailed(
                f"the parameters {owners[variable]} and {name} differ only in case or in '-' and '_', "
                "and would overwrite each other; rename one"
            )
        owners[variable] = name
    return [{"name": v, "value": f"{{{{workflow.parameters.{n}}}}}"} for v, n in owners.items()]


def _without_options(text: str, names: Iterable[str]) -> str:
    for name in names:
        text = text.replace(f" --{name}={{{{workflow.parameters.{name}}}}}", "")
    return text


def _declared(parameter: Mapping[str, Any]) -> dict[str, Any]:
    rest = {k: v for k, v in parameter.items() if k not in {"value", "default"}}
    written = parameter.get("value", parameter.get("default"))
    default = _raw(written) if isinstance(written, str) else written
    if default is None:
        return rest
    if "{{" in default:
        raise RenderFailed(
            f"the default of parameter {parameter['name']} contains '{{{{', which Argo would substitute; "
            "write it differently, for example with a space between the braces"
        )
    return {**rest, "default": default}


def _raw(text: str) -> str | None:
    """The plugin writes json.dumps(default); Metaflow wants the text itself. null means: no default."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if value is None:
        return None
    return value if isinstance(value, str) else json.dumps(value)


def mandatory_parameters(document: Document) -> tuple[str, ...]:
    """A parameter without a default is optional in Metaflow (None) and mandatory for AI Core."""
    parameters = document.get("spec", {}).get("arguments", {}).get("parameters", [])
    names = [p["name"] for p in parameters if "default" not in p]
    return tuple(f"parameter {n} has no default: each configuration must bind it" for n in names)


def with_secrets(document: Document, secrets: Iterable[str]) -> Document:
    """Steps with their own @kubernetes lose the default secrets, and with them the object store."""

    def add(container: Document) -> Document:
        sources = list(container.get("envFrom", []))
        present = {s.get("secretRef", {}).get("name") for s in sources}
        missing = [{"secretRef": {"name": s}} for s in secrets if s not in present]
        return {**container, "envFrom": sources + missing} if sources or missing else container

    return _map_containers(document, add)


def with_environment(document: Document, extra: Iterable[tuple[str, str]]) -> Document:
    """Kubernetes wants strings; the plugin copies Python values and leaves empty ones out. Adds `extra`."""
    overriding = dict(extra)

    def mend(container: Document) -> Document:
        entries = [_as_string(e) for e in container.get("env", []) if e.get("name") not in overriding]
        entries += [{"name": k, "value": literal(v)} for k, v in sorted(overriding.items())]
        return {**container, "env": entries} if entries else container

    return _map_containers(document, mend)


def literal(text: str) -> str:
    """A text that arrives as it is: Kubernetes replaces `$(NAME)` and halves `$$` in values."""
    return re.sub(r"\$(?=[$(])", "$$", text)


def _as_string(entry: Mapping[str, Any]) -> dict[str, Any]:
    if "valueFrom" in entry:
        return dict(entry)
    value = entry.get("value")
    text, name = "" if value is None else str(value), entry.get("name", "")
    ours = str(name).startswith("METAFLOW_INIT_") and _PARAMETER.fullmatch(text)
    if "{{" in text and not ours:
        raise RenderFailed(
            f"the value of the variable {name} contains '{{{{', which Argo would substitute; "
            "write it differently, for example with a space between the braces",
            refused=True,
        )
    return {**entry, "value": text}


def relative_paths(document: Document, directory: str) -> tuple[Document, tuple[str, ...]]:
    """A default such as `dirname(__file__) + "/x"` would carry the path of our snapshot, which exists in no pod
    and differs each time. Below the code package's root, where every step starts, `./x` is the same file.
    """
    pattern = re.compile(re.escape(directory) + r"(?=[/\"']|$)")
    done: Document = _map_values(document, lambda text: pattern.sub(".", text))
    if done == document:
        return document, ()
    return done, ("a path of the machine that renders was made relative to the flow's directory",)


def posix_cron(schedule: str | None, timezone: str | None) -> tuple[str | None, tuple[str, ...]]:
    """Metaflow's @schedule (AWS form: `?`, names, a year) as five fields; `CRON_TZ=<zone>` stands before those that are
    not in UTC, so that nobody takes them for AI Core's.

    `?` and a sixth field are AWS's alone, and there weekdays count from 1 for Sunday. Five fields without `?` may
    be POSIX and keep their numbers.
    """
    if not schedule:
        return None, ()
    given = schedule.replace("?", "*").upper().split()
    fields, year = [_numbered(f) for f in given[:5]], given[5:]
    if len(fields) == 5 and ("?" in schedule or year):
        fields[4] = ",".join(map(_aws_weekdays, given[4].split(",")))
    if len(fields) < 5 or year not in ([], ["*"]) or not all(re.fullmatch(r"[\d*,/-]+", f) for f in fields):
        return None, (f"@schedule: AI Core's cron cannot say '{schedule}'; no schedule is made of it",)
    fields_only = " ".join(fields)
    if timezone is None or timezone.upper() in _UTC:
        return fields_only, ()
    return f"{ELSEWHERE}{re.sub(r'[^A-Za-z0-9_+/-]', '?', timezone)[:64]} {fields_only}", ()


def _numbered(field: str) -> str:
    return re.sub(r"[A-Z]{3}", lambda m: _MONTHS.get(m[0], _DAYS.get(m[0], m[0])), field)


def _aws_weekdays(item: str) -> str:
    """One item of a list with Sunday 0. `2/2` ends on Saturday, `6-2` passes it; "?" for what POSIX cannot say."""
    found = _AWS_WEEKDAYS.fullmatch(item)
    if found is None:
        return item if item.startswith("*") else "?"
    begin, end, step = found.groups()
    if end is None and step is None:
        return _AWS_DAYS[begin]
    first, last = int(_AWS_DAYS[begin]), int(_AWS_DAYS[end or "SAT"])
    if first <= last:
        return f"{first}-{last}" + (f"/{step}" if step else "")
    return ",".join(sorted(str(day % 7) for day in range(first, last + 8, int(step or 1))))


# --- walking a document -----------------------------------------------------------------------------------


def _map_containers(document: Document, change: Callable[[Document], Document]) -> Document:
    templates = document.get("spec", {}).get("templates", [])
    changed = [{**t, "container": change(t["container"])} if "container" in t else t for t in templates]
    return _put(document, ("spec", "templates"), changed) if templates else document


def _put(document: Document, path: tuple[str, ...], value: Any) -> Document:
    """A copy with `value` at `path`; an empty list that was not there is not added."""
    head, *rest = path
    if rest:
        value = _put(document.get(head, {}), tuple(rest), value)
    return document if not value and head not in document else {**document, head: value}


def _map_values(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {k: _map_values(v, change) for k, v in value.items()}
    return [_map_values(v, change) for v in value] if isinstance(value, list) else value
