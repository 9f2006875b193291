"""Building the environment: once, whole, and with errors a person can act on."""

from __future__ import annotations

import asyncio
import sys
import zipfile
from pathlib import Path

import pytest

from aicore_sync.core.errors import Stalled, Transient
from aicore_sync.render import Renderer, RenderOptions
from aicore_sync.render.environments import (
    Spec,
    claimed,
    environment_python,
    held,
    index_of,
    spec_of,
    sweep_environments,
    sweep_unclaimed,
)
from aicore_sync.render.installer import Install, _environment, _uv, install
from aicore_sync.render.model import Environment


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Dialects that need no package index."""
    path = tmp_path / "nothing.requirements.txt"
    path.write_text("# nothing\n")
    monkeypatch.setattr("aicore_sync.render.environments.requirements", lambda _: path)
    return path


async def test_built_once_and_never_half(tmp_path: Path, nothing: Path) -> None:
    lines: list[str] = []
    options = RenderOptions(cache_dir=tmp_path / "cache", progress=lines.append)
    home = tmp_path / "cache" / "envs" / Spec(nothing).digest()
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "python").write_text("half-built by somebody who was killed")
    first, second = await asyncio.gather(*(environment_python(options, "native") for _ in range(2)))
    assert first == second == home / "bin" / "python"
    assert first.is_symlink()
    made = (home / ".ready").stat().st_mtime_ns
    assert await environment_python(options, "native") == first
    assert (home / ".ready").stat().st_mtime_ns == made


async def test_a_named_environment_has_its_own_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed from a directory of wheels; the pinned packages constrain what is added."""
    built = tmp_path / "extra-1.0-py3-none-any.whl"
    with zipfile.ZipFile(built, "w") as wheel:
        wheel.writestr("extra.py", "X = 1\n")
        wheel.writestr("extra-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n")
        wheel.writestr(
            "extra-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("extra-1.0.dist-info/RECORD", "")
    pinned = tmp_path / "pinned.txt"
    pinned.write_text("# nothing\n")
    monkeypatch.setattr("aicore_sync.render.environments.requirements", lambda _: pinned)
    named = {
        "ml": Environment(requirements=(f"extra @ {built.as_uri()}",)),
        "as-is": Environment(Path(sys.executable)),
    }
    options = RenderOptions(cache_dir=tmp_path / "cache", environments=named)
    python = await environment_python(options, "native", "ml")
    done = await asyncio.create_subprocess_exec(str(python), "-c", "import extra")
    assert await done.wait() == 0
    assert await environment_python(options, "native", "as-is") == Path(sys.executable)
    with pytest.raises(Stalled, match=r"renderEnvironment: found nope, expected one of .*\(as-is, ml\)"):
        await environment_python(options, "plugin", "nope")
    envs = tmp_path / "cache" / "envs"
    with held(python, options):
        assert sweep_environments(envs, before=2e12) == 0
    assert sweep_environments(envs, before=1.0) == 0
    assert sweep_environments(envs, before=2e12) == 1
    assert not python.exists()


def test_an_index_from_a_file_reaches_the_installer_by_its_environment(tmp_path: Path) -> None:
    file = tmp_path / "index"
    file.write_text("https://me:hunter2@index.example/simple\n")
    index = index_of(RenderOptions(cache_dir=tmp_path, index_file=file), "native")
    assert _environment({}, index) == {"PIP_INDEX_URL": index, "UV_DEFAULT_INDEX": index}
    assert "hunter2" not in repr(Install(tmp_path, file, 1, print, index=index))
    with pytest.raises(Stalled, match=r"render\.indexFile: cannot read"):
        index_of(RenderOptions(cache_dir=tmp_path, index_file=tmp_path / "gone"), "native")
    named = {"ml": Environment(index_file=file), "off": Environment(index_file=tmp_path / "none")}
    options = RenderOptions(cache_dir=tmp_path, index_file=tmp_path / "gone", environments=named)
    assert index_of(options, "native", "ml") == index
    with pytest.raises(Stalled, match=r"render\.environments\.off\.indexFile: cannot read .*none"):
        index_of(options, "native", "off")


async def test_an_environment_may_have_its_own_metaflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place of the pinned one, for whose file alone there are hashes."""
    for name in ("UV_FIND_LINKS", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("UV_NO_INDEX", "PIP_NO_INDEX"):
        monkeypatch.setenv(name, "1")
    with zipfile.ZipFile(tmp_path / "metaflow-2.15.21-py3-none-any.whl", "w") as wheel:
        about = "metaflow-2.15.21.dist-info"
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: metaflow\nVersion: 2.15.21\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    pinned = tmp_path / "pinned.txt"
    pinned.write_text(f"# metaflow==1\nmetaflow==2.19.39 \\\n    --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr("aicore_sync.render.environments.requirements", lambda _: pinned)
    named = {"old": Environment(metaflow="2.15.21")}
    options = RenderOptions(cache_dir=tmp_path / "cache", environments=named)
    python = await environment_python(options, "native", "old")
    code = "import importlib.metadata as m; assert m.version('metaflow') == '2.15.21'"
    done = await asyncio.create_subprocess_exec(str(python), "-c", code)
    assert await done.wait() == 0
    assert spec_of(options, "native", "old").pins() == ("metaflow==2.15.21",)
    assert spec_of(options, "native", "").pins() == ("metaflow==2.19.39",)
    with pytest.raises(
        Stalled, match=r"render\.environments\.old\.metaflow: found 2\.15\.21, expected 2\.19\.39"
    ):
        await environment_python(options, "plugin", "old")


def test_other_requirements_are_another_environment(tmp_path: Path, nothing: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("# other\n")
    assert Spec(other).digest() != Spec(nothing).digest()


@pytest.mark.slow
async def test_an_unreachable_index_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:hunter2@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    wanted = tmp_path / "wanted.txt"
    wanted.write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    seen: list[str] = []
    with pytest.raises(Transient) as caught:
        await install(Install(tmp_path / "env", wanted, 60, seen.append))
    assert "PIP_INDEX_URL" in caught.value.message
    assert "hunter2" not in caught.value.message + "".join(seen)


async def test_a_wrong_interpreter_is_named(tmp_path: Path) -> None:
    missing = RenderOptions(tmp_path, environments={"plugin": Environment(tmp_path / "no-python")})
    with pytest.raises(Stalled, match=r"render\.environments\.plugin\.python: found .*no-python"):
        await environment_python(missing, "plugin")


async def test_an_interpreter_without_metaflow_is_named(tmp_path: Path, nothing: Path) -> None:
    options = RenderOptions(cache_dir=tmp_path / "cache")
    python = await environment_python(options, "native")
    renderer = Renderer(RenderOptions(tmp_path / "cache", environments={"native": Environment(python)}))
    with pytest.raises(Stalled, match="No module named 'metaflow"):
        await renderer.start()
    await renderer.aclose()


@pytest.mark.parametrize(
    ("env", "uses_uv"),
    [
        ({}, True),
        ({"PIP_INDEX_URL": "https://index.example/simple"}, False),
        ({"PIP_INDEX_URL": "https://index.example/simple", "UV_INDEX_URL": "https://i.example/"}, True),
    ],
)
def test_uv_is_used_where_it_knows_the_index(tmp_path: Path, env: dict[str, str], uses_uv: bool) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\n")
    uv.chmod(0o755)
    assert (_uv({"PATH": str(tmp_path), **env}) is not None) == uses_uv


def test_the_installer_sees_no_secret_of_ours() -> None:
    env = {
        "PIP_CERT": "/ca",
        "https_proxy": "http://p",
        "AICORE_CLIENT_SECRET": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
    }
    assert _environment(env) == {"PIP_CERT": "/ca", "https_proxy": "http://p"}


def test_only_dead_owners_rooms_are_swept(tmp_path: Path) -> None:
    with claimed(tmp_path / "mine") as mine:
        (tmp_path / "dead").mkdir()
        (tmp_path / "dead" / "lock").touch()
        assert sweep_unclaimed(tmp_path) == 1
        assert mine.is_dir()
        assert not (tmp_path / "dead").exists()
    assert not mine.exists()
