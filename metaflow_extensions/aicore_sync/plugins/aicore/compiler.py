"""From a loaded flow to a WorkflowTemplate that AI Core takes: the one function that others call.

    compiled = compile_flow(Source.of(obj), options)

`obj` is Metaflow's own click state (`ctx.obj`) of any command: flow, graph, environment, datastore. Nothing is
uploaded, no network and no credential is needed: `compiled.uploads` holds the bytes (code package, contents of
IncludeFiles) with the URLs that the document names.

How a program that is not a person calls it: run the flow's script with

    --no-pylint --datastore=s3 --datastore-root=s3://BUCKET/PREFIX aicore --name=ID create --only-json …

after replacing `delivery.deliver` (module `delivery` beside this one) by its own function. That is called
once, in the process, with the `Compiled`, instead of anything being printed or uploaded; it may end the process.

What `Compiled` gives it
    document    the WorkflowTemplate, JSON-able, same input gives the same value; `metadata.name` is `--name`
    flow        the class name
    uploads     Upload(kind, name, url, data); data is gzip, the sha1 of what it unpacks to ends the URL:
                  package  <root>/<Flow>/data/<sha1[:2]>/<sha1>       include  <root>/data/<Flow>/<sha1>
    package     the Upload of kind package; with `--embedded` it is not among `uploads`, and tells what the code is
    user_files  sorted (name, sha256) of the user's files in the package
    included    sorted (path relative to the flow's directory, sha256) of IncludeFile contents
    schedule    the cron text of @schedule as Metaflow says it (AWS form, may hold `?`, names, a year), or None
    timezone    of @schedule, or None
    warnings    sentences for the owner
    notes       (step, why it got its machine)

`package.library()` gives the packed part that all flows of an environment share; written to a file and named by
`--library=FILE`, it saves most of the time of a render.

Raises MetaflowException: `refused.NotOnAICore` for what AI Core cannot do, with what to do instead.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .model import Compiled, Options, Plan, Upload
from .package import pack
from .parameters import Included, capturing_includes, configs, read_parameters
from .refused import refuse
from .script import Runtime, script
from .survey import survey
from .template import document


@dataclass(frozen=True)
class Source:
    """A loaded flow: what Metaflow's commands are given as `obj`, reduced to what compiling needs."""

    flow: Any
    graph: Any
    environment: Any
    root: str  # s3://bucket/prefix
    script: Path  # as it was started; its directory is the package's root
    suffixes: tuple[str, ...] = ()

    @classmethod
    def of(cls, obj: Any) -> Source:
        refuse(obj.flow, obj.graph, obj.environment, obj.flow_datastore.TYPE)
        root = obj.flow_datastore.datastore_root.rstrip("/")
        script = Path(sys.argv[0])
        return cls(obj.flow, obj.graph, obj.environment, root, script, tuple(obj.package_suffixes))

    @property
    def file(self) -> str:
        return self.script.name

    @property
    def directory(self) -> Path:
        return self.script.parent


def compile_flow(source: Source, options: Options) -> Compiled:
    """Compile; see the module's text. Raises MetaflowException."""
    plan, notes = survey(source.flow, source.graph, options)
    with capturing_includes(source.root, source.directory) as included:
        parameters, warnings = read_parameters(source.flow)
    packed = pack(source.flow, source.environment, source.suffixes, options.library)
    url = f"{source.root}/{source.flow.name}/data/{packed.key[:2]}/{packed.key}"
    plan = with_scripts(replace(plan, parameters=parameters), source, options, Code(url, packed.metadata))
    package = Upload("package", source.flow.name, url, packed.data)
    schedule = _schedule(source.flow)
    written = document(plan, options)
    made = written
    for directory in _spellings(source.directory):
        made = _portable(made, directory)
    if made != written:
        warnings = (*warnings, "a path of this machine was made relative to the flow's directory")
    return Compiled(
        flow=source.flow.name,
        document=made,
        package=package,
        uploads=(*(() if options.embedded else (package,)), *_includes(included)),
        user_files=packed.user_files,
        included=tuple(sorted((i.name, i.sha256) for i in included)),
        schedule=schedule.get("schedule"),
        timezone=schedule.get("timezone"),
        warnings=(*warnings, *_unknown(plan, options), *_images(plan)),
        notes=notes,
        plan=plan,
    )


@dataclass(frozen=True)
class Code:
    """Where the code package lies, and how this Metaflow describes its form ("" before it had forms)."""

    url: str
    metadata: str


def with_scripts(plan: Plan, source: Source, options: Options, code: Code) -> Plan:
    """The plan with the shell text and the runtime's variables in every step."""
    runtime = Runtime(source, code, options, plan)
    own = runtime.variables(configs(source.flow))
    given = dict(options.environment)
    steps = [
        replace(s, script=script(s, runtime), environment=_merged(own, dict(s.environment), given))
        for s in plan.steps
    ]
    return replace(plan, steps=tuple(steps))


def _merged(*layers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    merged: dict[str, str] = {}
    for layer in layers:
        merged.update(layer)
    return tuple(sorted(merged.items()))


def _includes(included: list[Included]) -> Iterator[Upload]:
    for item in sorted({i.url: i for i in included}.values(), key=lambda i: i.url):
        yield Upload("include", item.name, item.url, item.data)


def _spellings(directory: Path) -> list[str]:
    """`directory` as flows name it: by `__file__`, by `abspath` of it, and by `resolve`; the longest first."""
    found = {str(directory.absolute()), os.path.abspath(directory), str(directory.resolve())}  # noqa: PTH100
    return sorted(found, key=lambda path: (-len(path), path))


def _portable(value: Any, directory: str) -> Any:
    """Without paths of this machine: a default such as `dirname(__file__) + "/x"` exists in no pod, and `./x`,
    below the package's root where every step starts, is the same file."""
    if isinstance(value, str):
        return re.sub(re.escape(directory) + r"(?=[/\"']|$)", ".", value) if len(directory) > 1 else value
    if isinstance(value, dict):
        return {k: _portable(v, directory) for k, v in value.items()}
    return [_portable(v, directory) for v in value] if isinstance(value, list) else value


def _schedule(flow: Any) -> dict[str, Any]:
    found = flow._flow_decorators.get("schedule") or []
    decorators = found if isinstance(found, list) else [found]
    facts = [{"schedule": d.schedule, "timezone": d.timezone} for d in decorators if d.schedule]
    return facts[-1] if facts else {}


def _unknown(plan: Plan, options: Options) -> Iterator[str]:
    known = {"*", *(s.name for s in plan.steps)}
    for name, machine in options.chosen:
        if name.replace("-", "_") not in known:
            yield f"{machine.name} is for step {name}, which this flow does not have"


def _images(plan: Plan) -> Iterator[str]:
    """AI Core pulls by full name only."""
    for image in sorted({s.image for s in plan.steps}):
        host = image.partition("/")[0]
        if "/" not in image or not ("." in host or ":" in host or host == "localhost"):
            yield f"image {image} names no registry; AI Core needs one, for example docker.io/{image}"
