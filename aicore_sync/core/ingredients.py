"""What a template is made of, as its author wrote it, and which of it counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from aicore_sync.core.inventory import is_manifest
from aicore_sync.core.template import input_digest


@dataclass(frozen=True)
class Ingredients:
    """`always` is the digest of what counts in any case: the manifest's rendering part and all packaged files.

    `others` are the remaining files beside the flow, by name with SHA-256. They count when making the template opened
    them, as it does for an IncludeFile; a README never does. `opened` are those, None while that is not known.
    `made_elsewhere`: only the finished template is here, which does not tell whether its source has moved on.
    """

    always: str
    others: Mapping[str, str] = field(default_factory=dict)
    opened: tuple[str, ...] | None = None
    made_elsewhere: bool = False

    def digest(self, opened: Iterable[str] | None = None) -> str:
        """Digest with the files that were opened; None: not known, so each may have been that is no manifest.

        What a manifest says about rendering is in `always`, so that `suspend: true` is no other template.
        """
        return self._whole if opened is None else self._with(opened)

    @cached_property
    def _whole(self) -> str:
        return self._with(name for name in self.others if not is_manifest(name))

    def _with(self, names: Iterable[str]) -> str:
        counted = {name: self.others.get(name, "") for name in sorted(set(names))}
        return input_digest({"always": self.always, "opened": counted})
