"""Packages that a flow brings itself: installed once beside its environment, found by its own code only."""

from __future__ import annotations

import asyncio
import zipfile
from pathlib import Path

import pytest
import render_flows as flows

from aicore_sync.core.errors import Transient
from aicore_sync.render import Environment, Renderer, RenderFailed, RenderOptions
from aicore_sync.render.own import Own, own_packages

pytest_plugins = ("render_rooms",)
pytestmark = pytest.mark.asyncio(loop_scope="session")
CODE = """
raise SystemExit("this must not run in the parent")
"""


def wheel(place: Path, name: str, files: dict[str, str]) -> None:
    place.mkdir(exist_ok=True)
    with zipfile.ZipFile(place / f"{name}-1.0-py3-none-any.whl", "w") as packed:
        for file, text in files.items():
            packed.writestr(file, text)
        about = f"{name}-1.0.dist-info"
        packed.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        packed.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr(f"{about}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of wheels as the only index, by the variables of a private one."""
    for name in ("UV_FIND_LINKS", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, str(tmp_path / "wheels"))
    for name in ("UV_NO_INDEX", "PIP_NO_INDEX"):
        monkeypatch.setenv(name, "1")
    wheel(
        tmp_path / "wheels",
        "extra",
        {"extra.py": "X = 'of the flow'\n", "extra.pth": "import os; os._exit(9)\n"},
    )
    wheel(
        tmp_path / "wheels",
        "rival",
        {"rival.py": "", "boto3/__init__.py": CODE, "metaflow/__init__.py": CODE},
    )
    return tmp_path / "wheels"


async def test_only_the_flow_finds_its_packages(python: Path, tmp_path: Path, index: Path) -> None:
    """Nothing of them runs before it does: no `.pth` at the start, and no module in the place of Metaflow's."""
    lines: list[str] = []
    options = flows.with_native(tmp_path / "cache", python, progress=lines.append)
    made = Renderer(options)
    text = flows.LINEAR.replace("from metaflow", "import extra\nimport rival\nassert extra.X\nfrom metaflow")
    wanted = flows.job(tmp_path / "own", text, requirements=("extra==1.0", "rival"))
    rendered = await made.render(wanted)
    assert [name for name, _ in rendered.user_files] == ["flow.py"]
    (place,) = (tmp_path / "cache/own").glob("*/.ready")
    before = (place.stat().st_ino, place.parent.stat().st_mtime_ns)
    assert (await made.render(wanted)).uploads == rendered.uploads
    assert (place.stat().st_ino, place.parent.stat().st_mtime_ns) == before
    with pytest.raises(RenderFailed, match="No module named 'extra'"):
        await made.render(flows.job(tmp_path / "other", text))
    await made.aclose()


async def test_what_cannot_be_installed_is_said_once_and_kept_from_nobody(
    python: Path, tmp_path: Path, index: Path
) -> None:
    options = RenderOptions(tmp_path / "cache", environments={"native": Environment(python)})
    with pytest.raises((RenderFailed, Transient), match="nowhere-to-be-found"):
        await own_packages(options, python, Own("native", ("nowhere-to-be-found==3",)))
    both = await asyncio.gather(*(own_packages(options, python, Own("native", ("extra",))) for _ in range(2)))
    assert both[0] == both[1]
    assert (both[0] / "extra.py").exists()
