"""The pages name every command, option, reason and endpoint that exists, and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from aicore_sync.cli.group import HOMES, commands_of
from aicore_sync.cli.main import app
from aicore_sync.config import parse_settings
from aicore_sync.core.kinds import answer_schema, answer_tables
from aicore_sync.core.manifest import parse_manifest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
OPTION = re.compile(r"`(-{1,2}[a-z][a-z-]*)`")


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def sections(text: str) -> dict[str, str]:
    """Title of each second-level heading → what stands below it."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands() -> dict[str, Any]:
    """All commands by the words that call them."""
    found: dict[str, Any] = {}
    pending: list[tuple[str, Any]] = [("", typer.main.get_command(app))]
    while pending:
        name, command = pending.pop()
        inner = getattr(command, "commands", None)
        if inner is None:
            found[name] = command
        else:
            pending += [(f"{name} {word}".strip(), item) for word, item in inner.items()]
    return found


def options(command: Any) -> set[str]:
    listed = [p for p in command.params if p.param_type_name == "option"]
    return {o for p in listed for o in (*p.opts, *p.secondary_opts)} - {"--help"}


def test_every_command_of_a_file_can_be_called() -> None:
    made = {name for home in set(HOMES.values()) for name in commands_of(home)}
    assert made == set(HOMES)


def test_every_command_has_its_section() -> None:
    assert set(sections(page("commands.md"))) == set(commands())


@pytest.mark.parametrize("name", sorted(set(commands()) - {"sandbox"}))
def test_a_section_lists_the_options_of_its_command(name: str) -> None:
    rows = [
        line.split("|")[1]
        for line in sections(page("commands.md"))[name].splitlines()
        if line.startswith("| `")
    ]
    assert {option for row in rows for option in OPTION.findall(row)} == options(commands()[name])


def test_the_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.split("## Commands")[1].split("\n## ")[0]
    named = {match.split(" FLOW")[0] for match in re.findall(r"`([a-z][a-zA-Z ]*)`", table)}
    assert set(commands()) - {"schema"} <= named
    assert named - {"schema config", "schema manifest"} <= set(commands())


def test_the_sandbox_page_lists_its_options() -> None:
    source = (ROOT / "aicore_sync/sandbox/__main__.py").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page("sandbox.md").splitlines() if line.startswith("| `--")]
    there = set(re.findall(r'add_argument\(\s*"(--[a-z0-9-]+)"', source))
    assert there
    assert {row.strip().strip("`") for row in rows} == there


def test_the_sandbox_page_lists_its_endpoints() -> None:
    source = (ROOT / "aicore_sync/sandbox/api/control.py").read_text(encoding="utf-8")
    there = {
        (method.upper(), path.replace("{name}", "NAME"))
        for method, path in re.findall(r'@control\.(\w+)\("(/[^"]+)"\)', source)
    }
    listed = set(re.findall(r"^\| `([A-Z]+) /sandbox(/[A-Za-z/]+)", page("sandbox.md"), re.MULTILINE))
    assert there
    assert listed == there


def test_every_reason_that_a_status_may_show_is_explained() -> None:
    text = page("troubleshooting.md")
    core = [f for f in (ROOT / "aicore_sync").rglob("*.py") if "sandbox" not in f.parts]
    given = {
        reason
        for file in core
        for reason in re.findall(
            r'(?:Hold\(\s*Stage\.[A-Z]+,|_hold\(|Stage\.[A-Z]+:)\s*"([A-Z]\w+)"',
            file.read_text(encoding="utf-8"),
        )
    }
    well = {"Published", "Synced", "Configured", "Scheduled", "Healthy"}
    assert {"ApplicationElsewhere", "StillRunning", "Settling"} <= given
    assert sorted(r for r in given - well if f"`{r}`" not in text) == []


def test_the_metrics_page_lists_every_metric() -> None:
    source = (ROOT / "aicore_sync/telemetry/metrics.py").read_text(encoding="utf-8")
    there = set(re.findall(r'"(aicore_sync_[a-z_]+)"', source))
    assert there
    assert set(re.findall(r"`(aicore_sync_[a-z_]+)`", page("operations.md"))) == there


def test_the_configuration_and_the_manifest_of_the_readme_are_accepted() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    config, manifest = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    assert (
        parse_settings(config, Path("config.yaml"), {}).environments[0].name
        == yaml.safe_load(manifest)["environments"][0]
    )
    parse_manifest(manifest, "aicore.yaml")


def test_no_link_between_the_pages_is_dead() -> None:
    pages = [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        ROOT / "examples/flows/README.md",
        *DOCS.rglob("*.md"),
    ]
    dead = [
        f"{file.relative_to(ROOT)}: {target}"
        for file in pages
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", file.read_text(encoding="utf-8"))
        if not _exists(file, target)
    ]
    assert dead == []


def _exists(file: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (file.parent / path) if path else file
    if not target.exists() or not anchor:
        return target.exists()
    titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
    return anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_page_about_output_is_made_from_the_code() -> None:
    tables = page("output.md").partition("<!-- answers -->\n")[2].partition("<!-- /answers -->")[0]
    assert tables == answer_tables()
    assert json.loads(page("schemas/answers.json")) == answer_schema()


def test_every_field_of_what_is_printed_has_words() -> None:
    for name, shape in answer_schema()["$defs"].items():
        for field, known in shape.get("properties", {}).items():
            assert known.get("description"), f"{name}.{field}"
