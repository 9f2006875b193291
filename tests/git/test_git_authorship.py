"""Who wrote a source, where it lies in a git work tree; and which commits changed a file."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aicore_sync.git import authorship
from aicore_sync.git.revisions import parse_revisions

FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)


def commit(root: Path, file: str, at: datetime, author: str) -> str:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(f"{at} {author}")
    who = {
        f"GIT_{role}_{key}": f"{author}@x" if key == "EMAIL" else author
        for role in ("AUTHOR", "COMMITTER")
        for key in ("NAME", "EMAIL")
    }
    dates = {"GIT_AUTHOR_DATE": at.isoformat(), "GIT_COMMITTER_DATE": at.isoformat()}
    for command in (["add", "-A"], ["commit", "-qm", f"{author} edits {file}"]):
        subprocess.run(["git", "-C", str(root), *command], check=True, env={**os.environ, **who, **dates})
    head = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    )
    return head.stdout.strip()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


async def test_a_directory_is_by_who_touched_it_last_before(source: Path) -> None:
    first = commit(source, "churn/flow.py", FIRST, "anna")
    commit(source, "other/flow.py", FIRST + timedelta(hours=1), "ben")
    later = commit(source, "churn/lib.py", FIRST + timedelta(hours=2), "cleo")
    found = await authorship(source, "churn/flow.py", FIRST + timedelta(minutes=90))
    assert found
    assert (found.commit, found.author, found.subject) == (first, "anna", "anna edits churn/flow.py")
    newer = await authorship(source, "churn/flow.py", FIRST + timedelta(hours=3))
    assert newer
    assert newer.commit == later


async def test_what_git_does_not_know_has_no_author(source: Path, tmp_path: Path) -> None:
    commit(source, "churn/flow.py", FIRST, "anna")
    assert await authorship(source, "churn/flow.py", FIRST - timedelta(days=1)) is None
    assert await authorship(Path("/"), "churn/flow.py", FIRST) is None


async def test_a_source_starts_no_program_of_its_own(source: Path, tmp_path: Path) -> None:
    commit(source, "churn/flow.py", FIRST, "anna")
    trap = source / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    for key in ("gpg.program", "core.fsmonitor", "core.pager", "core.sshCommand"):
        subprocess.run(["git", "-C", str(source), "config", key, str(trap)], check=True)
    subprocess.run(["git", "-C", str(source), "config", "log.showSignature", "true"], check=True)
    assert await authorship(source, "churn/flow.py", FIRST + timedelta(days=1))
    assert not (tmp_path / "sprung").exists()


def test_revisions_keep_messages_whole_and_tell_removals() -> None:
    entry = b":100644 100644 %s %s M\0a.yaml\0"
    gone = b":100644 000000 %s %s D\0a.yaml\0"
    message = b"flows: churn\n\n- write a.yaml\n\nAicore-Sync-Source: x\nAicore-Sync-Owner: team\n"
    record = b"\x1e%s\x1fanna\x1f1767268800\x1f%s\x1f\0%s"
    output = record % (b"2" * 40, message, entry % (b"a" * 40, b"b" * 40))
    output += record % (b"1" * 40, b"remove\n", gone % (b"a" * 40, b"0" * 40))
    newest, oldest = parse_revisions(output)
    assert (newest.commit, newest.author, newest.at, newest.blob) == ("2" * 40, "anna", FIRST, "b" * 40)
    assert newest.subject == "flows: churn"
    assert newest.trailers == {"Aicore-Sync-Source": ("x",), "Aicore-Sync-Owner": ("team",)}
    assert oldest.blob is None
    assert oldest.trailers == {}
