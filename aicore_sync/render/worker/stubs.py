"""Stand-ins for packages that are missing here and present in the image: enough to import a flow, nothing more.

Only imports that the user's own files make are answered, and only when nobody else can.
"""

# ruff: noqa: PTH110, PTH118

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any


class _Pliable(type):
    """The class of stand-ins answers `isinstance` and `issubclass` too, always with no."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(name)


class StandIn(metaclass=_Pliable):
    """May be called, decorated with, subclassed, subscripted, looped over and entered; does nothing."""

    def __init__(self, name: str) -> None:
        self.__name__ = self.__qualname__ = name

    def __call__(self, *values: Any, **_: Any) -> Any:
        """A decorator gives back what it decorates."""
        only = values[0] if len(values) == 1 else None
        return only if isinstance(only, (types.FunctionType, type)) else StandIn(self.__name__)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(f"{self.__name__}.{name}")

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        """Each a class of its own: Python refuses the same one twice."""
        return (types.new_class(self.__name__, (_Parent,)),)

    def __instancecheck__(self, value: object) -> bool:
        return False

    def __subclasscheck__(self, value: type) -> bool:
        return False

    def __getitem__(self, key: object) -> StandIn:
        return self

    def __or__(self, other: object) -> StandIn:
        return self

    __ror__ = __or__

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return False

    def __enter__(self) -> StandIn:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __repr__(self) -> str:
        return f"<{self.__name__} is missing>"


class _Parent:
    """What a class that derives from a stand-in derives from."""

    def __init_subclass__(cls, **_: Any) -> None:
        super().__init_subclass__()


class _Module(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(f"{self.__name__}.{name}")


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Asked last. `answered` are the top-level names that it answered for."""

    def __init__(self, directory: str) -> None:
        self._directory = directory + os.sep
        self.answered: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        top = name.partition(".")[0]
        parent = sys.modules.get(name.rpartition(".")[0])
        if not isinstance(parent, _Module) and not (top == name and self._asked_by_user()):
            return None
        if os.path.exists(os.path.join(self._directory, top)):
            return None  # the user's own package lacks it: that would fail on AI Core as well
        self.answered.add(top)
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def _asked_by_user(self) -> bool:
        """Whether the import statement stands in one of the user's files."""
        place: types.FrameType | None = sys._getframe(1)
        while place is not None:
            file = place.f_code.co_filename
            if "importlib" not in file and file != __file__:
                return file.startswith(self._directory)
            place = place.f_back
        return False

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        module.__all__ = []  # type: ignore[attr-defined]
