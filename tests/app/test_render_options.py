"""What the configuration says about rendering reaches the renderer."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from aicore_sync.app.build import lint_options, render_options
from aicore_sync.app.checks import configured
from aicore_sync.app.estate import instance_types
from aicore_sync.config import Settings, load_settings
from aicore_sync.core.errors import InvalidInput
from aicore_sync.render import Environment, InstanceType

ROOT = Path(__file__).resolve().parents[2]


def settings(place: Path, render: str) -> Settings:
    text = (ROOT / "config.example.yaml").read_text()
    file = place / "config.yaml"
    file.write_text(f"{text}\nrender:\n{render}")
    return load_settings(file, {})


def test_environments_are_lists_or_files(tmp_path: Path) -> None:
    (tmp_path / "ml.txt").write_text("# what we use\npandas==2.2.3  \n\n")
    render = """\
  sandbox: strict
  indexFile: index
  environments:
    listed: {requirements: ["six==1.17.0"]}
    filed: {requirements: ml.txt}
    ready: {python: bin/python}
    old: {metaflow: 2.15.21, python: bin/python, indexFile: other}
"""
    options = render_options(settings(tmp_path, render))
    assert (options.sandbox, options.index_file) == ("strict", tmp_path / "index")
    assert options.environments == {
        "listed": Environment(requirements=("six==1.17.0",)),
        "filed": Environment(requirements=("pandas==2.2.3",)),
        "ready": Environment(python=tmp_path / "bin/python"),
        "old": Environment(tmp_path / "bin/python", (), "2.15.21", tmp_path / "other"),
    }
    assert [name for name, e in options.environments.items() if e.ready_made] == ["ready"]


def test_instance_types_of_a_tenant_reach_renders_and_are_known_to_lint(tmp_path: Path) -> None:
    data = yaml.safe_load((ROOT / "config.example.yaml").read_text())
    data["tenants"][0]["instanceTypes"] = {"g4dn.xlarge": {"cpu": 4, "memory": "16Gi", "gpu": 1}}
    data["sources"] = [{"name": "flows", "directory": "flows"}]
    data["lint"] = {"instanceTypes": ["m5.large"]}
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(data))
    found = load_settings(file, {})
    machines = (InstanceType("g4dn.xlarge", 4, 16, 1),)
    assert instance_types(found.tenants[0]) == machines
    (checks,) = configured(found)
    assert checks.places[found.tenants[0].name].instance_types == machines
    assert lint_options(found).instance_types == ("g4dn.xlarge", "m5.large")


@pytest.mark.parametrize("version", ["2.11.3", "2.20.1", "2.15", "latest", "3.1.2", "2.x.1"])
def test_a_metaflow_that_we_do_not_know_is_refused(tmp_path: Path, version: str) -> None:
    with pytest.raises(InvalidInput, match=r"2\.12 to 2\.19"):
        settings(tmp_path, f"  environments: {{ml: {{metaflow: '{version}'}}}}\n")


def test_a_missing_requirements_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        render_options(settings(tmp_path, "  environments: {ml: {requirements: gone.txt}}\n"))
    assert "render.environments.ml.requirements" in str(caught.value)
    assert "gone.txt" in str(caught.value)
