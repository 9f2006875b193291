"""The command `lint`: every rule over a source, for people, machines, code scanning and pull requests."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from platformdirs import user_cache_path

from aicore_sync import __version__
from aicore_sync.app.build import known_secrets
from aicore_sync.app.checks import Checked, CheckOptions, below, check, configured, unconfigured
from aicore_sync.cli.detail import print_detail
from aicore_sync.cli.progress import progress
from aicore_sync.cli.work import DEFAULT_CONFIG, load
from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.core.lint import Finding, github, rows, sarif, sentence
from aicore_sync.telemetry import Masker, configure_logging
from aicore_sync.terminal import Exit, Form, Sheet, err, out, print_table, show


class LintForm(StrEnum):
    """`-o` of lint: how to print."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    SARIF = "sarif"
    GITHUB = "github"


_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(lint)


def lint(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="File or directory; the configuration's directories, or this directory, when absent."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            envvar="AICORE_SYNC_CONFIG",
            help="The configuration file; ./config.yaml where there is one, none is needed.",
        ),
    ] = None,
    output: Annotated[LintForm, typer.Option("--output", "-o", help="How to print.")] = LintForm.TABLE,
) -> None:
    """Check flows, manifests and templates; nothing leaves this machine. Exit code 2 when there are errors."""
    checked, masker = Checked((), 0), Masker()
    for options, only in _chosen(path, config, masker):
        checked += _checked(options, only)
    _print(checked, output, masker)
    if any(finding.severity == "error" for finding in checked.findings):
        raise typer.Exit(Exit.ERROR)


def _checked(options: CheckOptions, only: str) -> Checked:
    """The findings at or below `only`, with files as seen from here."""

    async def watched() -> Checked:
        async with progress("checking"):  # the first time, an environment is built
            return await check(options)

    checked = asyncio.run(watched())
    base = os.path.relpath(options.root, Path.cwd())
    chosen = below(checked.findings, only)
    findings = tuple(replace(f, file=_shown(base, f.file)) if f.file else f for f in chosen)
    return replace(checked, findings=findings)


def _chosen(path: Path | None, config: Path | None, masker: Masker) -> list[tuple[CheckOptions, str]]:
    """What to check, each with the path below its root that findings are wanted for; `masker` learns the secrets."""
    if path is not None and not path.exists():
        problem = Problem(str(path), 0, "", "nothing", "a file or directory", "name another path")
        raise InvalidInput([problem])
    file = config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    if file is not None:
        settings, of_logs = load(file, "warning")
        known = configured(settings)
        for secret in known_secrets(settings):
            of_logs.add(secret)
            masker.add(secret)
        places = [(o, (path or o.root).resolve()) for o in known]
        found = [(o, _relative(place, o.root)) for o, place in places if place.is_relative_to(o.root)]
        if found:
            return found
        if config is not None:
            raise InvalidInput([_outside(path, config, known)])
    configure_logging("warning", masker=masker)
    wanted = (path or Path()).resolve()
    root = wanted if wanted.is_dir() else wanted.parent
    return [(unconfigured(root, user_cache_path("aicore-sync")), _relative(wanted, root))]


def _outside(path: Path | None, config: Path, known: list[CheckOptions]) -> Problem:
    roots = " or ".join(str(options.root) for options in known)
    if path is None:
        expected, cure = "a source that is a directory", "name a directory, or check where the flows are"
        return Problem(str(config), 0, "sources", "sources in git only", expected, cure)
    expected = f"a path below a directory of {config}: {roots or 'it has none'}"
    return Problem(str(path), 0, "", "a path outside of the sources", expected, "leave out --config")


def _relative(path: Path, root: Path) -> str:
    return "" if path == root else path.relative_to(root).as_posix()


def _shown(base: str, file: str) -> str:
    return file if base == "." else f"{Path(base).as_posix()}/{file}"


def _print(checked: Checked, output: LintForm, masker: Masker) -> None:
    findings = checked.findings
    if output is LintForm.SARIF:
        sys.stdout.write(json.dumps(sarif(findings, __version__), indent=2, ensure_ascii=False) + "\n")
    elif output is LintForm.GITHUB:
        sys.stdout.writelines(f"{line}\n" for line in github(findings))
    elif output is LintForm.TABLE:
        _print_table(checked, masker)
    else:
        show(Form(output.value), Sheet({"checked": checked.count, "findings": rows(findings)}, (), ()))


def _print_table(checked: Checked, masker: Masker) -> None:
    if checked.findings:
        columns = ("SEVERITY", "CODE", "PLACE", "WHAT AND CURE")
        print_table(columns, [_row(finding) for finding in checked.findings])
    for finding in (f for f in checked.findings if f.detail):
        err.print(f"{finding.file}, what it said:", markup=False, soft_wrap=True)
        print_detail(finding.detail, masker)
    counts = [
        f"{sum(f.severity == severity for f in checked.findings)} {severity}s"
        for severity in ("error", "warning")
    ]
    out.print(f"{checked.count} checked, {', '.join(counts)}")
    if any(finding.severity == "error" for finding in checked.findings):
        err.print("every code is explained in docs/lint.md")


def _row(finding: Finding) -> tuple[str, ...]:
    place = f"{finding.file}:{finding.line}" if finding.line else finding.file
    severity = f"[{_COLOURS[finding.severity]}]{finding.severity}[/]"
    return severity, finding.code, _plain(place), _plain(sentence(finding))


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
