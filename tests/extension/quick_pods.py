"""Pods that boot quickly, so that whole runs of many flows fit into a test suite.

Metaflow boots a step with six Python processes and a thousand unpacked files; the only processes that matter here are
`init` and `step`, which stay as they are. The `python` and `tar` on these pods' PATH answer the rest: the package was
unpacked before, its library part once for all, log lines go through `tee`, and artifacts are stored by the step's own
process, where Metaflow starts others for more than ten. Runs that boot in full are in `test_native_runs.py`, in the
sandbox's tests and in the demo.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import shlex
import sys
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from aicore_sync.core.world import Upload

PYTHON = """#!/bin/bash
case "$1 $2" in
  "-m metaflow.mflog.tee") exec tee -a "$4" ;;
  "-m metaflow.mflog.save_logs") exit 0 ;;
esac
if [[ $1 == -c && $2 =~ /data/../([0-9a-f]{40}) ]]; then echo "${BASH_REMATCH[1]}" > job.tar; exit; fi
exec REAL "$@"
"""
TAR = """#!/bin/bash
exec cp -a PACKAGES/"$(cat job.tar)"/. .
"""
# Python's own hook at its start; it acts when Metaflow first wants its datastore.
HOOK = """
import sys

class Loaded:
    def find_spec(self, name, path=None, target=None):
        if name == "metaflow.plugins.datastores.s3_storage":
            sys.meta_path.remove(self)
            import metaflow.plugins.datatools.s3.s3 as s3
            def put_many(self, objects, overwrite=True):
                return [(o.key, self.put(o.key, o.value, overwrite=overwrite, metadata=o.metadata)) for o in objects]
            s3.S3.put_many = put_many

sys.meta_path.insert(0, Loaded())
"""


@dataclass(frozen=True)
class QuickPods:
    """`room` holds the programs and the packages; pods must be able to read it."""

    room: Path

    def __post_init__(self) -> None:
        for name in ("bin", "packages", "libraries"):
            (self.room / name).mkdir()
        packages = shlex.quote(str(self.room / "packages"))
        programs = {"python": PYTHON.replace("REAL", shlex.quote(sys.executable))}
        programs |= {"tar": TAR.replace("PACKAGES", packages), "sitecustomize.py": HOOK}
        for name, text in programs.items():
            (self.room / "bin" / name).write_text(text)
            (self.room / "bin" / name).chmod(0o755)

    @property
    def env(self) -> dict[str, str]:
        place = str(self.room / "bin")
        return {"PATH": f"{place}:/usr/bin:/bin", "PYTHONPATH": place}

    def offer(self, uploads: Iterable[Upload], library: bytes) -> None:
        """Unpack code packages where these pods take them from; each begins with the `library` part."""
        shared = self.room / "libraries" / hashlib.sha256(library).hexdigest()[:16]
        if not shared.exists():
            unpack(gzip.decompress(library) + b"\0" * 10240, shared)
        for upload in uploads:
            data, place = (
                Path(upload.file).read_bytes(),
                self.room / "packages" / upload.url.rpartition("/")[2],
            )
            if data.startswith(library) and not place.exists():
                unpack(gzip.decompress(data.removeprefix(library)), place)
                link(shared, place)


def unpack(plain: bytes, place: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        tar.extractall(place, filter="data")


def link(shared: Path, place: Path) -> None:
    """The same names in `place`. Today's Metaflow looks for its notes in `.mf_code/..`, so that stays a directory."""
    place.mkdir(exist_ok=True)
    for item in shared.iterdir():
        if item.name == ".mf_code":
            link(item, place / item.name)
        else:
            (place / item.name).symlink_to(item)
