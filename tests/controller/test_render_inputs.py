"""What makes a flow's template another one: only that is rendered anew, and only that ends a rollback."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aicore_sync.controller.jobs import Place
from aicore_sync.controller.renders import Made, SourceOptions, TemplateMaker
from aicore_sync.controller.source import Origin, Scan, Sources, View, too_large
from aicore_sync.core.catalog import Target, catalog
from aicore_sync.core.desired import WantTemplate
from aicore_sync.core.errors import InvalidInput, Stalled
from aicore_sync.core.inventory import take_inventory
from aicore_sync.core.manifest import Defaults
from aicore_sync.core.pins import Pin, pinned
from aicore_sync.render import Dialect, InstanceType, Rendered, RenderFailed, RenderJob

PLACE = Place("team", "s3://bucket/prefix", "", "store", "yaml")
MANIFEST = "flow: flow.py\nenvironments: [dev]\nimage: registry.example/flows:1\n"
SUSPENDED = MANIFEST + 'configurations: [{name: main, schedule: {cron: "30 2 * * *", suspend: true}}]\n'
FLOW = "from metaflow import FlowSpec\nclass TrainFlow(FlowSpec): ...\nif __name__ == '__main__':\n    TrainFlow()\n"
FILES = {
    "flow.py": FLOW,
    "aicore.yaml": MANIFEST,
    "part/other.py": "",
    "data.csv": "1",
    "README.md": "one",
    "notes.json": "{}",
    "requirements.txt": "six==1.17.0\n",
}
CONTAINER = {"image": "registry.example/flows:1", "command": ["bash"], "args": ["-c", "true"]}


@dataclass
class Fake:
    """Renders everything to the same document, and opens what it is told to."""

    jobs: list[RenderJob] = field(default_factory=list)
    opened: tuple[str, ...] | None = ("__pycache__/x.pyc", "absent.csv", "data.csv", "flow.py")
    broken: bool = False

    async def version(self, dialect: Dialect, rendering: str = "") -> str:
        return "1"

    async def render(self, job: RenderJob) -> Rendered:
        self.jobs.append(job)
        if self.broken:
            raise RenderFailed("flow.py:1: NameError", file="flow.py", line=1)
        labels = {"labels": {"ai.sap.com/resourcePlan": "starter"}}
        templates = [{"name": "entry", "metadata": labels, "container": CONTAINER}]
        kind = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "WorkflowTemplate",
            "metadata": {"name": job.name},
        }
        return Rendered({**kind, "spec": {"entrypoint": "entry", "templates": templates}}, opened=self.opened)


class Desk:
    """A source with one flow, and what makes its template."""

    def __init__(self, room: Path, cache: str = "cache") -> None:
        self.source, self.fake = room / "source", Fake()
        for name, text in FILES.items():
            self.write(name, text)
        view = View(self.source)
        self.sources = Sources([Origin(lambda: view)])
        self.maker = TemplateMaker(self.fake, SourceOptions(self.sources, room / cache))

    def write(self, name: str, text: str) -> None:
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def look(self) -> tuple[Target, Scan]:
        seen = self.sources.scan()
        inventory = take_inventory(
            self.sources.parts(seen.files), self.sources.text, Defaults(), {"dev": "t"}
        )
        (target,) = catalog(inventory, {"dev": "t"}, complete_scan=True).targets.values()
        return target, seen

    async def make(self) -> Made:
        return await self.maker.make(*self.look(), PLACE)

    async def want(self) -> WantTemplate:
        made = await self.make()
        target, seen = self.look()
        source = replace(self.maker.ingredients(target, seen, PLACE), opened=made.opened)
        return WantTemplate(target.key, made.template, source)


EDITS: list[tuple[str, str, bool]] = [
    ("flow.py", FLOW + "# more\n", True),
    ("part/other.py", "X = 1", True),
    ("part/new.py", "", True),
    ("data.csv", "2", True),
    ("absent.csv", "now it is there", True),
    ("aicore.yaml", MANIFEST.replace("flows:1", "flows:2"), True),
    ("aicore.yaml", MANIFEST + "requirements: requirements.txt\n", True),
    ("aicore.yaml", SUSPENDED, False),
    ("aicore.yaml", MANIFEST + "\n# a comment\n", False),
    ("README.md", "two", False),
    ("new.md", "", False),
    ("notes.json", "[]", False),
    ("requirements.txt", "six==1.16.0\n", False),
]


@pytest.mark.parametrize(("name", "text", "counts"), EDITS)
async def test_an_edit_renders_and_ends_a_rollback_only_where_it_makes_another_template(
    tmp_path: Path, name: str, text: str, counts: bool
) -> None:
    desk = Desk(tmp_path)
    bad = await desk.want()
    assert bad.source
    assert bad.template
    opened = bad.source.opened
    assert opened == ("absent.csv", "data.csv")
    pin = Pin(
        bad.source.digest(opened),
        "c" * 40,
        bad.template.data,
        "alice",
        datetime(2026, 3, 1, tzinfo=UTC),
        opened=opened,
    )
    desk.write(name, text)
    now = await desk.want()
    assert len(desk.fake.jobs) == 1 + counts
    assert bool(pinned(now, pin).lapsed_pin) == counts
    assert now.template
    same = now.template.facts.input_digest == bad.template.facts.input_digest
    assert same != counts


async def test_other_machines_of_the_tenant_render_and_end_no_rollback(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    first = await desk.make()
    machines = (InstanceType("g4dn.xlarge", 4, 16, 1),)
    place = replace(PLACE, instance_types=machines)
    other = await desk.maker.make(*desk.look(), place)
    assert [job.instance_types for job in desk.fake.jobs] == [(), machines]
    assert other.template.facts.input_digest != first.template.facts.input_digest
    target, seen = desk.look()
    assert desk.maker.ingredients(target, seen, place) == desk.maker.ingredients(target, seen, PLACE)


async def test_the_requirements_file_counts_when_the_manifest_names_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.write("aicore.yaml", MANIFEST + "requirements: requirements.txt\n")
    await desk.make()
    desk.write("requirements.txt", "six==1.16.0\n")
    await desk.make()
    assert [job.requirements for job in desk.fake.jobs] == [("six==1.17.0",), ("six==1.16.0",)]


@pytest.mark.parametrize("cache", ["cache", "another"])
async def test_a_restart_renders_at_most_once_and_says_the_same(tmp_path: Path, cache: str) -> None:
    first = await Desk(tmp_path).make()
    again = Desk(tmp_path, cache)
    assert (await again.make()).template.data == first.template.data
    assert len(again.fake.jobs) == (0 if cache == "cache" else 1)
    await again.make()
    assert len(again.fake.jobs) <= 1


async def test_data_beside_a_flow_is_not_copied_without_end(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.make()
    desk.write("flow.py", FLOW + "# more\n")
    desk.write("set/part/data.bin", "")
    os.truncate(desk.source / "set/part/data.bin", 300 << 20)
    with pytest.raises(InvalidInput) as caught:
        await desk.make()
    words = "flow.py: found 300 MiB beside the flow, 300 of them in set, expected at most 256"
    assert str(caught.value).startswith(words)
    assert not list((tmp_path / "cache/snapshots").iterdir())
    (desk.source / "set/part/data.bin").unlink()
    await desk.make()
    assert len(desk.fake.jobs) == 2


def test_many_files_are_told_with_their_directory() -> None:
    files = {f"frames/{n}.png": "" for n in range(20_000)} | {"flow.py": "", "a.py": ""}
    assert too_large(Path("/nowhere"), "", files) == "20002 files beside the flow, 20000 of them in frames"


def nothing(desk: Desk) -> None:
    desk.fake.opened = None


def broken(desk: Desk) -> None:
    desk.fake.broken = True


@pytest.mark.parametrize("arrange", [nothing, broken])
async def test_where_no_render_told_what_it_opened_every_file_counts_but_manifests(
    tmp_path: Path, arrange: Callable[[Desk], None]
) -> None:
    desk = Desk(tmp_path)
    arrange(desk)
    for name, renders in (("", 1), ("aicore.yaml", 1), ("README.md", 2), ("notes.json", 3)):
        if name:
            desk.write(name, SUSPENDED if name == "aicore.yaml" else "other")
        try:
            await desk.make()
        except Stalled:
            assert desk.fake.broken
        assert len(desk.fake.jobs) == renders


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ()),
        ("project: {branch: trial}\n", ("--branch=trial",)),
        ("project: {branch: trial, production: true}\n", ("--branch=trial", "--production")),
    ],
)
async def test_the_manifest_tells_the_project_its_branch(
    tmp_path: Path, text: str, told: tuple[str, ...]
) -> None:
    desk = Desk(tmp_path)
    desk.write("aicore.yaml", MANIFEST + text)
    await desk.make()
    assert desk.fake.jobs[0].project == told
