"""What the flows of one source may do: a team's source has its own names and its own environments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from aicore_sync.core.document import Path, key_text
from aicore_sync.core.errors import Problem
from aicore_sync.core.manifest import Defaults, Manifest
from aicore_sync.core.problems import did_you_mean


@dataclass(frozen=True)
class Rights:
    """`source` is its name, "" without a configuration. `environments`: those it may use, None for all.

    `flows` are globs of executable ids that it may declare, `rendering` the names in `render.environments`, None where
    there is no configuration to tell.
    """

    source: str = ""
    environments: frozenset[str] | None = None
    flows: tuple[str, ...] = ("*",)
    rendering: frozenset[str] | None = None

    def tenants(self, tenants: Mapping[str, str]) -> dict[str, str]:
        """The environments that its flows may use, with their tenants."""
        return {name: tenant for name, tenant in tenants.items() if self._allows(name)}

    def defaults(self, defaults: Defaults) -> Defaults:
        """For a flow that names no environment: those of the defaults that the source may use."""
        chosen = tuple(filter(self._allows, defaults.environments))
        if chosen == defaults.environments:
            return defaults
        return defaults.model_copy(update={"environments": chosen})

    def denied(self, environments: Iterable[str]) -> tuple[str, ...]:
        """Those that its flows may not use."""
        return tuple(name for name in environments if not self._allows(name))

    def choice(self, allowed: Iterable[str]) -> str:
        """What a manifest may name; `allowed` are the environments that `tenants` gave."""
        names = ", ".join(sorted(allowed)) or "none"
        if self.environments is None:
            return f"an environment of the configuration: {names}"
        return f"an environment that source {self.source} may use (`environments` there): {names}"

    def cure(self, environment: str, allowed: Iterable[str]) -> str:
        """How to mend a manifest that names something else."""
        near = did_you_mean(environment, sorted(allowed))
        if self.environments is None or "did you mean" in near:
            return near
        return (
            f"name another one, or allow it under `environments` of source {self.source} in the configuration"
        )

    def foreign_name(self, executable: str, file: str) -> Iterator[Problem]:
        """The problem with an executable id that belongs to others."""
        if any(fnmatchcase(executable, glob) for glob in self.flows):
            return
        expected = f"a name that source {self.source} may declare (`flows` there): {', '.join(self.flows)}"
        cure = "set another executable id, or widen the globs in the configuration"
        yield Problem(file, 0, "executable.id", f'"{executable}"', expected, cure)

    def unknown_rendering(self, manifest: Manifest, file: str) -> Iterator[tuple[Path, Problem]]:
        """Rendering environments that a flow's manifest names and the configuration lacks; without their lines."""
        if self.rendering is None or manifest.template:
            return
        key, known = "renderEnvironment", sorted(self.rendering)
        named: list[tuple[Path, str]] = [((key,), manifest.render_environment)]
        named += [(("overlays", name, key), part.get(key, "")) for name, part in manifest.overlays.items()]
        for place, name in named:
            if name and name not in self.rendering:
                expected = f"one of render.environments in the configuration: {', '.join(known) or 'none'}"
                cure = did_you_mean(name, known)
                yield place, Problem(file, 0, key_text(place), f'"{name}"', expected, cure)

    def _allows(self, environment: str) -> bool:
        return self.environments is None or environment in self.environments
