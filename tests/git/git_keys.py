"""Keys for signatures, made by the real programs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from githosts import ENVIRONMENT


def ssh_key(room: Path, name: str) -> Path:
    key = room / name
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)]
    subprocess.run(command, check=True, capture_output=True)
    return key


def gpg(home: Path, *arguments: str) -> bytes:
    """Run gpg on the key ring in `home`; keys have no pass phrase."""
    command = ["gpg", "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback", *arguments]
    return subprocess.run(command, check=True, capture_output=True, env=_variables(home)).stdout


@contextmanager
def gpg_home(room: Path) -> Iterator[Path]:
    """A key ring with one key, of ours@example.com."""
    home = room / "gnupg"
    home.mkdir(mode=0o700)
    try:
        gpg(home, "--quick-generate-key", "Ours <ours@example.com>", "ed25519", "sign", "never")
        yield home
    finally:
        subprocess.run(["gpgconf", "--kill", "gpg-agent"], env=_variables(home), check=False)


def _variables(home: Path) -> dict[str, str]:
    return {"PATH": ENVIRONMENT["PATH"], "GNUPGHOME": str(home)}
