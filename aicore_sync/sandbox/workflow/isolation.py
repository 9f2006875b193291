"""Each pod sees its own /tmp, /mnt and artifact paths. Two ways, same result for Metaflow's steps.

ns    a mount namespace per pod (root, or user namespaces): the pod gets a root directory of its own in which
      everything of the machine is mounted, except what belongs to the pod
shim  without any right: paths are rewritten in command and environment, and a `sitecustomize` maps them in
      Python's file functions
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

LAUNCHER = Path(__file__).with_name("launcher.py")
SHIM = Path(__file__).with_name("shim")
HOME = "/workdir"
PRIVATE = ("/tmp", "/mnt")  # noqa: S108  (names inside the pod)


@functools.cache
def namespaces_work() -> bool:
    """Whether this machine lets us make mount namespaces; tried once, takes about 20 ms."""
    script = f"import runpy; runpy.run_path({str(LAUNCHER)!r})['own_mounts']()"
    return (
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", script], capture_output=True, check=False
        ).returncode
        == 0
    )


def choose(wanted: str) -> str:
    """`auto` becomes `ns` or `shim`. Blocking."""
    return ("ns" if namespaces_work() else "shim") if wanted == "auto" else wanted


@dataclass(frozen=True)
class Layout:
    """Where the paths of one pod lie on this machine.

    `claimed`: absolute paths, apart from /tmp and /mnt, that belong to the pod alone (artifacts, output files,
    volumes). `shared`: path in the pod → directory on the machine (volumes that pods share).
    `keep`: directories of the machine that stay visible below /tmp or /mnt (the interpreter, for one).
    """

    mode: str
    root: Path
    claimed: tuple[str, ...] = ()
    shared: Mapping[str, Path] = field(default_factory=dict)
    keep: tuple[str, ...] = ()

    @property
    def places(self) -> dict[str, str]:
        """Path in the pod → path on the machine, longest first."""
        own = {path: str(self.root) + path for path in (*PRIVATE, HOME, *self.claimed)}
        places = own | {path: str(directory) for path, directory in self.shared.items()}
        return dict(sorted(places.items(), key=lambda item: -len(item[0])))

    def host(self, path: str) -> Path:
        """The place on this machine of an absolute path in the pod."""
        if any(_below(path, kept) for kept in (*self.keep, str(self.root))):
            return Path(path)
        return Path(next((to + path[len(at) :] for at, to in self.places.items() if _below(path, at)), path))

    def inside(self, path: str) -> str:
        """What the pod's programs must be told in place of `path`."""
        return path if self.mode == "ns" else str(self.host(path))

    def rewrite(self, text: str) -> str:
        """`text` with the pod's paths replaced where the pod cannot see them under their own names."""
        if self.mode == "ns":
            return text
        places = {at: to for at, to in self.places.items() if at != HOME}
        pattern = "|".join(map(re.escape, places))
        return re.sub(rf"(?<![\w./~-])({pattern})(?![\w.-])", lambda m: self._unless_kept(m, places), text)

    def _unless_kept(self, match: re.Match[str], places: Mapping[str, str]) -> str:
        rest = match.string[match.start() :]
        return (
            match[1]
            if any(rest.startswith(kept) for kept in (*self.keep, str(self.root)))
            else places[match[1]]
        )

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """`env` as the pod's first program gets it."""
        if self.mode == "ns":
            return dict(env)
        env = dict(env)
        env["PYTHONPATH"] = ":".join(filter(None, (str(SHIM), env.get("PYTHONPATH"))))
        leave = [*self.keep, str(self.root)]
        env["AICORE_SANDBOX_PATHS"] = json.dumps({"map": self.places, "leave": leave})
        return env

    def plan(self, cwd: str) -> dict[str, Any]:
        """What `launcher.py` needs to know."""
        claimed = {*PRIVATE, HOME, *self.claimed, *self.shared}
        outside = [path for path in claimed if not any(_below(path, private) for private in PRIVATE)]
        skeleton = {str(parent) for path in outside for parent in PurePosixPath(path).parents}
        binds = [(kept, kept) for kept in self.keep if any(_below(kept, at) for at in claimed)]
        binds += [(str(directory), path) for path, directory in self.shared.items()]
        return {
            "parent": os.getpid(),
            "mode": self.mode,
            "root": str(self.root),
            "cwd": self.inside(cwd),
            "skeleton": sorted(skeleton - claimed, key=len),
            "claimed": sorted(claimed),
            "binds": binds,
        }


def _below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")


def claimed_paths(paths: Iterable[str]) -> tuple[str, ...]:
    """Normal form of the paths that a template names: absolute, links of the machine above them resolved."""
    claimed = set()
    for path in paths:
        pure = PurePosixPath(os.path.normpath(path))
        if not any(_below(str(pure), private) for private in PRIVATE):
            pure = PurePosixPath(os.path.realpath(pure.parent)) / pure.name
        claimed.add(str(pure))
    return tuple(sorted(claimed - {"/"}))


def interpreter_directories() -> tuple[str, ...]:
    """Directories without which the Python on the pods' PATH does not start."""
    package = Path(__file__).resolve().parents[3]
    found = {sys.prefix, sys.base_prefix, str(package), os.path.realpath(Path(sys.executable).parent)}
    return tuple(sorted(found))
