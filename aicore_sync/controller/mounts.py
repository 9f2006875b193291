"""Whether a directory lies on a file system that reports no changes made elsewhere."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

# inotify sees only what this kernel does; on these another machine writes, or a daemon in user space.
_REMOTE = re.compile(
    r"(nfs|cifs|smb|9p|fuse|virtiofs|vboxsf|vmhgfs|prl_fs|ceph|gluster|lustre|afs|drvfs|beegfs|gpfs)",
    re.IGNORECASE,
)


def remote_type(path: Path, mounts: str) -> str | None:
    """The type of the remote file system that holds `path`, None when it is local.

    `mounts` is the text of /proc/self/mounts; of nested mounts the innermost counts, of equal ones the last.
    """
    target = PurePosixPath(path)
    best, found = -1, ""
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = PurePosixPath(_unescape(fields[1]))
        if target.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), fields[2]
    return found if _REMOTE.match(found) else None


def _unescape(text: str) -> str:
    """Mount tables write blanks and backslashes as octal escapes."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
