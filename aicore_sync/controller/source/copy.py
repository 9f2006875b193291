"""A private copy of one flow's directory that is what the scan saw, or none at all."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from aicore_sync.controller.source.walk import file_digest, inside

MOST_BYTES, MOST_FILES = 256 << 20, 20_000  # of one flow: all of it is copied twice for each render


def too_large(root: Path, directory: str, files: Mapping[str, str]) -> str:
    """What makes a flow's directory too large to be copied, and where most of it lies; "" when it is not."""
    sizes: Counter[str] = Counter()
    for name in files:
        with suppress(OSError):
            sizes[name.partition("/")[0]] += Path(root, directory, name).stat().st_size
    if sizes.total() > MOST_BYTES:
        (most, size), *_ = sizes.most_common(1)
        return f"{sizes.total() >> 20} MiB beside the flow, {size >> 20} of them in {most}"
    counts = Counter(name.partition("/")[0] for name in files)
    if counts.total() > MOST_FILES:
        (most, count), *_ = counts.most_common(1)
        return f"{counts.total()} files beside the flow, {count} of them in {most}"
    return ""


def snapshot(root: Path, directory: str, files: Mapping[str, str], into: Path) -> bool:
    """Copy `files` (path relative to `directory`, SHA-256 in hex; see `files_below`) to `into`.

    Every copy is digested, and every source once all are copied: True means that there was a moment at which
    the source looked like the copy. False means that something changed meanwhile; `into` is removed then, scan again.
    Raises OSError when the copy cannot be written.
    """
    real_root = os.path.realpath(root)
    source = Path(real_root, directory)
    into.mkdir(parents=True, exist_ok=True)
    good = all(_copy(source / name, into / name, digest, real_root) for name, digest in sorted(files.items()))
    if good and all(_digest_of(source / name, real_root) == digest for name, digest in files.items()):
        return True
    shutil.rmtree(into)
    return False


def _copy(source: Path, target: Path, digest: str, root: str) -> bool:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if not inside(str(source), root):
            return False
        shutil.copyfile(source, target)
    except (FileNotFoundError, NotADirectoryError, PermissionError, shutil.SpecialFileError):
        return False
    target.chmod(0o644)  # owner and mode of the source must not reach the package
    return file_digest(str(target)) == digest


def _digest_of(source: Path, root: str) -> str | None:
    try:
        return file_digest(str(source)) if inside(str(source), root) else None
    except OSError:
        return None
