"""The shell text of a step, and the variables that it reads.

No value of a user ever stands in the text: parameters, run and task come by environment. A task's id is its
place in the fan-outs, "t" at the top and "t-4-0" in the first task inside the fifth task of an outer foreach.
So every step knows the paths of all tasks before it without being told, however wide the fan-out was, and the
id is the same in every attempt.
"""

from __future__ import annotations

import functools
import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from metaflow import metaflow_config
from metaflow.mflog import BASH_MFLOG, BASH_SAVE_LOGS, bash_capture_logs

from .model import NONE, Options, Plan, Step

_USER = "aicore-sync"  # of a run's tags; not the person's, or each would render other bytes


@dataclass(frozen=True)
class Runtime:
    """All that the scripts of one flow have in common. `source` and `code` are the compiler's."""

    source: Any
    code: Any
    options: Options
    plan: Plan

    def variables(self, configs: Mapping[str, str]) -> dict[str, str]:
        """Metaflow's settings in a pod, by name."""
        endpoint = metaflow_config.S3_ENDPOINT_URL
        return {
            "METAFLOW_USER": _USER,
            "METAFLOW_DEFAULT_DATASTORE": "s3",
            "METAFLOW_DEFAULT_METADATA": "local",
            "METAFLOW_DATASTORE_SYSROOT_S3": self.source.root,
            **({"METAFLOW_S3_ENDPOINT_URL": str(endpoint)} if endpoint else {}),
            **({"METAFLOW_FLOW_CONFIG_VALUE": json.dumps(configs, sort_keys=True)} if configs else {}),
        }

    @property
    def file(self) -> str:
        return shlex.quote(str(self.source.file))

    @functools.cached_property
    def download(self) -> str:
        """Metaflow's own way from a package to a directory that runs."""
        more = [self.code.metadata] if self.code.metadata else []
        return _plain(" && ".join(self.source.environment.get_package_commands(self.code.url, "s3", *more)))

    def top_level(self, step: Step) -> str:
        """Options before `step` and `init`: the late decorators, those of flow decorators, and the fixed ones."""
        words = [f"--with={spec}" for spec in self._late(step)]
        for decorators in self.source.flow._flow_decorators.values():
            for decorator in decorators if isinstance(decorators, list) else [decorators]:
                words += _as_options(decorator.get_top_level_options())
        words += ["--quiet", "--metadata=local", "--environment=local", "--datastore=s3"]
        words += [f"--datastore-root={self.source.root}", "--event-logger=nullSidecarLogger"]
        words += ["--monitor=nullSidecarMonitor", "--no-pylint", "--with=aicore_internal"]
        return " ".join(shlex.quote(w) for w in words)

    def _late(self, step: Step) -> Iterator[str]:
        """Decorators that the command line added: the flow's text does not hold them."""
        for decorator in self.source.graph[step.name].decorators:
            by_text = decorator.statically_defined or getattr(decorator, "inserted_by", None)
            if not by_text and decorator.name not in ("kubernetes", "aicore_internal"):
                yield decorator.make_decorator_spec()


def _as_options(pairs: Any) -> list[str]:
    words = []
    for name, value in pairs:
        if value is True:
            words.append(f"--{name}")
        elif value is not None and value is not False:
            words += [f"--{name}={v}" for v in (value if isinstance(value, (list, tuple)) else [value])]
    return words


def script(step: Step, runtime: Runtime) -> str:
    """The whole text for `bash -c`."""
    attempt = "{{retries}}" if step.retries.total else "0"
    first = step.name == runtime.plan.first
    head = [*_place(runtime), _logging(step, runtime.plan.flow, attempt), *_code(runtime)]
    body = [*(_init(step, runtime, attempt) if first else _paths(step)), _run(step, runtime, attempt)]
    captured = bash_capture_logs(" && ".join(body))
    return f"{' && '.join([*head, captured])}; c=$?; {BASH_SAVE_LOGS}; exit $c"


def _place(runtime: Runtime) -> list[str]:
    """A directory that nobody's user id keeps us from writing to: pods run as 65534, images often as root."""
    if runtime.options.embedded:
        # The code's directory belongs to the image: what Metaflow would write there goes elsewhere.
        return [
            "logs=$(mktemp -d)",
            'export METAFLOW_TEMPDIR="$logs" METAFLOW_DATASTORE_SYSROOT_LOCAL="$logs"',
        ]
    return ['logs=$(mktemp -d) && cd "$logs"', 'if [ ! -w "$HOME" ]; then export HOME="$logs"; fi']


def _logging(step: Step, flow: str, attempt: str) -> str:
    """What Metaflow's `tee` and `save_logs` ask for."""
    facts = {
        "PYTHONUNBUFFERED": "x",
        "MF_PATHSPEC": f'"{flow}/$AICORE_SYNC_RUN/{step.name}/$AICORE_SYNC_TASK"',
        "MF_DATASTORE": "s3",
        "MF_ATTEMPT": attempt,
        "MFLOG_STDOUT": '"$logs/mflog_stdout"',
        "MFLOG_STDERR": '"$logs/mflog_stderr"',
    }
    return "export " + " ".join(f"{k}={v}" for k, v in facts.items())


def _code(runtime: Runtime) -> list[str]:
    """What brings the code into the directory, or nothing where the image holds it."""
    if runtime.options.embedded:
        return [
            _plain(BASH_MFLOG),
            'if [ -d .mf_code ]; then export PYTHONPATH="$PWD/.mf_code:$PYTHONPATH"; fi',
        ]
    return [runtime.download]


def _plain(text: str) -> str:
    """Metaflow writes its commands for one more level of double quotes; this takes that level off."""
    return shlex.split(f'bash -c "{text}"')[-1]


def _init(step: Step, runtime: Runtime, attempt: str) -> list[str]:
    """Store the parameters. Each attempt has its own task for them: a stored one is never written again."""
    unset = [
        f'if [ "${p.variable}" = "{NONE}" ]; then unset {p.variable}; fi'
        for p in runtime.plan.parameters
        if p.optional
    ]
    top = runtime.top_level(step)
    init = f'python {runtime.file} {top} init --run-id "$AICORE_SYNC_RUN" --task-id params-{attempt}'
    return [*unset, init, f'echo "$AICORE_SYNC_RUN/_parameters/params-{attempt}" > "$logs/inputs"']


def _paths(step: Step) -> list[str]:
    """Write the paths of the tasks before this one into a file: an argument would be too long for wide joins."""
    if step.joins:
        here = f'"$AICORE_SYNC_RUN/{step.before[0]}/$AICORE_SYNC_TASK-%s,"'
        return [f'printf {here} $(seq 0 $((AICORE_SYNC_SPLITS - 1))) | sed "s/,$//" > "$logs/inputs"']
    task = "${AICORE_SYNC_TASK%-*}" if step.inside and step.before == (step.inside,) else "$AICORE_SYNC_TASK"
    paths = ",".join(f"$AICORE_SYNC_RUN/{name}/{task}" for name in step.before)
    return [f'echo "{paths}" > "$logs/inputs"']


def _run(step: Step, runtime: Runtime, attempt: str) -> str:
    split = ""
    if step.inside and step.before == (step.inside,):
        split = ' --split-index "${AICORE_SYNC_TASK##*-}"'
    return (
        f"python {runtime.file} {runtime.top_level(step)} step {step.name} "
        f'--run-id "$AICORE_SYNC_RUN" --task-id "$AICORE_SYNC_TASK" --retry-count {attempt} '
        f'--max-user-code-retries {step.retries.user} --input-paths-filename "$logs/inputs"{split}'
    )
