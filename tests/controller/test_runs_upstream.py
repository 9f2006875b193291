"""New outputs of one flow and the runs of another; and what must never start a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from controller_world import World, replace, template, world

from aicore_sync.aicore import ObjectStoreSecret


def write(
    w: World, name: str, configuration: dict[str, Any], spec: dict[str, Any], isolate: bool = False
) -> None:
    """A template with inputs or outputs, and its manifest."""
    document = yaml.safe_load(template(name))
    document["spec"]["templates"][0] |= spec
    for output in spec.get("outputs", {}).get("artifacts", ()):
        document["metadata"]["annotations"][f"artifacts.ai.sap.com/{output['name']}.kind"] = "dataset"
    for artifact in spec.get("inputs", {}).get("artifacts", ()):
        document["metadata"]["annotations"][f"artifacts.ai.sap.com/{artifact['name']}.kind"] = "dataset"
    if "inputs" in spec:
        document["spec"]["arguments"] = {
            "artifacts": [{"name": a["name"]} for a in spec["inputs"]["artifacts"]]
        }
    directory = w.source / name
    directory.mkdir(parents=True, exist_ok=True)
    replace(directory / "template.yaml", yaml.safe_dump(document, sort_keys=False))
    manifest = {
        "template": "template.yaml",
        "version": "1",
        "scenario": {"id": "tests", "name": "Tests"},
        "executable": {"id": name, "name": name},
        "environments": ["default"],
        "isolate": isolate,
        "configurations": [{"name": "main"} | configuration],
    }
    replace(directory / "aicore.yaml", yaml.safe_dump(manifest, sort_keys=False))


MAKES = {
    "outputs": {
        "artifacts": [
            {"name": "features", "globalName": "features", "path": "/tmp/f", "archive": {"none": {}}}
        ]
    }
}
TAKES = {"inputs": {"artifacts": [{"name": "features", "path": "/tmp/f"}]}}
UPSTREAM = {"run": "onChange", "inputs": {"features": {"flow": "prep", "output": "features"}}}


@pytest.mark.parametrize(
    ("renewed", "runs", "isolate"), [(True, 2, False), pytest.param(False, 1, True, marks=pytest.mark.slow)]
)
async def test_a_newer_output_gives_a_configuration_and_a_run_only_where_asked_for(
    tmp_path: Path, renewed: bool, runs: int, isolate: bool
) -> None:
    async with world(tmp_path) as w:
        write(w, "prep", {"run": "onChange"}, MAKES, isolate)
        write(w, "train", UPSTREAM | {"onUpstream": renewed}, TAKES)
        prep = "prep-default" if isolate else "prep"
        async with w.service() as app:
            secret = ObjectStoreSecret(
                "default", {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}, bucket="b"
            )
            await app.estate.tenants["t"].client.secrets.create_object_store("default", secret)
            await w.healthy()
            group = await w.group()
            assert [len(group.runs(n)) for n in (prep, "train")] == [1, 1]

            write(w, "prep", {"run": "onChange", "rerun": "again"}, MAKES, isolate)
            await w.seen(lambda: _configured(w, "train", 2), "the new output is bound")
            await w.healthy()
            await w.quiet()
            group = await w.group()
            group.check()
            assert [len(group.runs(n)) for n in (prep, "train")] == [2, runs]
            bound = [
                c["inputArtifactBindings"][0]["artifactId"] for c in group.configurations if _of(c, "train")
            ]
            assert len(set(bound)) == 2


async def _configured(w: World, flow: str, count: int) -> bool:
    return sum(_of(c, flow) for c in (await w.group()).configurations) == count


def _of(configuration: dict[str, Any], flow: str) -> bool:
    return bool(configuration["executableId"] == flow)


async def test_a_version_a_label_or_a_new_disk_gives_a_new_template_and_no_run(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.write("alpha", run="onChange")
        await w.apply()
        before = await w.group()
        w.write("alpha", run="onChange", version="2", scenario={"id": "tests", "name": "Renamed"})
        await w.apply()
        after = await w.group()
        assert before.version("alpha") != after.version("alpha")
        assert len(w.commits()) == 2
        assert (len(before.runs("alpha")), len(after.runs("alpha"))) == (1, 1)
        assert len(after.configurations) == 1
