"""What the house promises in files that no program reads: dependencies have a reason, locks have hashes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from aicore_sync.terminal import Exit

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
IMAGE = "deploy/image/service.lock"
LOCKS = ["requirements.lock", "requirements-demo.lock", "requirements-dev.lock", IMAGE]
PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==\S+", re.MULTILINE)


def names(requirements: list[str]) -> set[str]:
    """The packages of a requirement list, without ourselves."""
    found = {re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower() for requirement in requirements}
    return found - {PROJECT["name"]}


def extras() -> dict[str, set[str]]:
    return {extra: names(requirements) for extra, requirements in PROJECT["optional-dependencies"].items()}


def locked(file: str) -> set[str]:
    return set(PINNED.findall((ROOT / file).read_text(encoding="utf-8")))


def test_every_dependency_says_why_it_is_here() -> None:
    page = (ROOT / "docs/design/dependencies.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `([a-z0-9._-]+)` \| \S", page, re.MULTILINE))
    assert explained == names(PROJECT["dependencies"]).union(*extras().values())


def test_the_locks_hold_every_dependency() -> None:
    product, sandbox = names(PROJECT["dependencies"]), extras()["sandbox"]
    everything = product.union(*extras().values())
    served = product.union(*(extras()[extra] for extra in ("kubernetes", "notifications", "tracing")))
    missing = {
        "requirements.lock": product - locked("requirements.lock"),
        "requirements-demo.lock": (product | sandbox) - locked("requirements-demo.lock"),
        "requirements-dev.lock": everything - locked("requirements-dev.lock"),
        IMAGE: served - locked(IMAGE),
    }
    assert not any(missing.values()), f"run `make lock`: {missing}"


@pytest.mark.parametrize("file", LOCKS)
def test_a_lock_holds_hashes_and_no_address(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert "://" not in text
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_the_product_is_locked_to_the_same_versions_everywhere() -> None:
    def pins(file: str) -> set[str]:
        return set(re.findall(r"^\S+==\S+", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE))

    assert pins("requirements.lock") <= pins("requirements-demo.lock") <= pins("requirements-dev.lock")
    assert pins("requirements.lock") <= pins(IMAGE) <= pins("requirements-dev.lock")


def test_the_exit_codes_are_those_of_their_page() -> None:
    page = (ROOT / "docs/exit-codes.md").read_text(encoding="utf-8")
    assert [int(code) for code in re.findall(r"^\| (\d+) \| \S", page, re.MULTILINE)] == [
        e.value for e in Exit
    ]


def test_every_reason_that_an_error_gives_is_in_the_troubleshooting_page() -> None:
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    files = [f for f in (ROOT / "aicore_sync").rglob("*.py") if "sandbox" not in f.parts]
    given = {
        r
        for f in files
        for r in re.findall(r'reason[:=][^"\n]{0,12}"([A-Z]\w+)"', f.read_text(encoding="utf-8"))
    }
    assert sorted(reason for reason in given if f"`{reason}`" not in page) == []
