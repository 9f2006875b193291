"""Our commits signed, by SSH and by OpenPGP, and checked by git itself."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from git_desk import Desk, open_desk
from git_keys import gpg, gpg_home, ssh_key
from githosts import ENVIRONMENT, git

from aicore_sync.core.errors import Stalled
from aicore_sync.git import Batch, Change, Signing

Done = subprocess.CompletedProcess[bytes]
WHEN = 1_800_000_000.0
BATCH = Batch((Change("a", "models", "wt-a.yaml", b"a: 1\n", title="a"),))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as opened:
        yield opened


def verified(
    repository: Path, branch: str, *config: str, home: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    options = [word for entry in config for word in ("-c", entry)]
    command = ["git", "-C", str(repository), *options, "verify-commit", branch]
    variables = ENVIRONMENT | ({"GNUPGHOME": str(home)} if home else {})
    return subprocess.run(command, capture_output=True, env=variables, check=False)


async def test_a_commit_signed_by_ssh_verifies_and_says_the_same_as_one_without(
    tmp_path: Path, desk: Desk
) -> None:
    key = ssh_key(tmp_path, "ours")
    signers = tmp_path / "allowed_signers"
    signers.write_text(f"aicore-sync@example.com {key.with_suffix('.pub').read_text()}")
    git(desk.repository, "branch", "plain", "main")
    plain = await desk.clone(branch="plain", now=lambda: WHEN).publish(BATCH)
    done = await desk.clone(now=lambda: WHEN, signing=Signing("ssh", key)).publish(BATCH)
    assert done.commit == git(desk.repository, "rev-parse", "main")
    assert verified(desk.repository, "main", f"gpg.ssh.allowedSignersFile={signers}").returncode == 0
    assert verified(desk.repository, "plain", f"gpg.ssh.allowedSignersFile={signers}").returncode != 0
    form = "--format=%T %P %an <%ae> %at %cn <%ce> %ct%n%B"
    assert git(desk.repository, "log", "-1", form, "main") == git(desk.repository, "log", "-1", form, "plain")
    assert plain.blobs == done.blobs
    git(desk.repository, "fsck", "--strict")


async def test_the_state_branch_and_the_first_commit_of_a_branch_are_signed_too(
    tmp_path: Path, desk: Desk
) -> None:
    signing = Signing("ssh", ssh_key(tmp_path, "ours"))
    state = desk.state(signing=signing)
    await state.write({"confirmed/abc": b"yes\n"}, "confirm")
    await state.write({"confirmed/def": b"yes\n"}, "confirm")
    for revision in ("aicore-sync/team", "aicore-sync/team^"):
        assert "-----BEGIN SSH SIGNATURE-----" in git(desk.repository, "cat-file", "commit", revision)


async def test_a_commit_signed_by_openpgp_verifies_and_leaves_no_key_ring(
    tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        TemporaryDirectory(prefix="r-") as short,
        gpg_home(tmp_path) as home,
    ):  # an agent's socket needs a short path
        rings = Path(short)
        monkeypatch.setattr("tempfile.tempdir", short)
        key = tmp_path / "key.asc"
        key.write_bytes(gpg(home, "--armor", "--export-secret-keys"))
        await desk.clone(signing=Signing("gpg", key)).publish(BATCH)
        answer = verified(desk.repository, "main", home=home)
        assert answer.returncode == 0, answer.stderr
        assert not list(rings.iterdir())


@pytest.mark.parametrize("kind", ["ssh", "gpg"])
async def test_a_key_that_cannot_sign_stops_the_publish_and_is_named(
    tmp_path: Path, desk: Desk, kind: str
) -> None:
    before = git(desk.repository, "rev-parse", "main")
    key = tmp_path / "no-key"
    for text in (None, "this is no key\n"):
        if text:
            key.write_text(text)
            key.chmod(0o600)
        with pytest.raises(Stalled, match="no-key") as refused:
            await desk.clone(signing=Signing("ssh" if kind == "ssh" else "gpg", key)).publish(BATCH)
        assert refused.value.reason == "SigningKeyUnusable"
    assert git(desk.repository, "rev-parse", "main") == before
