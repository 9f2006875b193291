"""References to secrets: the configuration names where a secret is, never the secret itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, PrivateAttr, model_validator

from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.core.fields import Strict, refuse

FORM = "`{env: NAME}` or `{file: PATH}`"


class SecretRef(Strict):
    """`{env: NAME}` or `{file: PATH}`.

    The file is read anew on every call: small, and always right when Kubernetes swaps the mounted directory.
    Neither the value nor a part of it is ever kept, shown or dumped.
    """

    env: str | None = Field(None, min_length=1, description="Name of an environment variable.")
    file: Path | None = Field(
        None, description="File that holds the secret; read again whenever it is needed."
    )

    _key: str = PrivateAttr("")
    _config: str = PrivateAttr("config")
    _environ: Mapping[str, str] = PrivateAttr(default_factory=lambda: os.environ)

    @model_validator(mode="before")
    @classmethod
    def _reference(cls, value: object) -> object:
        if not isinstance(value, dict):
            raise refuse(
                FORM, "secrets do not stand in this file: refer to a variable or a file", "a plain value"
            )
        return value

    @model_validator(mode="after")
    def _one(self) -> SecretRef:
        if (self.env is None) == (self.file is None):
            raise refuse(FORM, "exactly one of the two", "both or none of `env` and `file`")
        return self

    def bind(self, key: str, config: Path, environ: Mapping[str, str]) -> None:
        """Tell the reference which key of which file it is; relative paths start at that file's directory."""
        self._key = key
        self._config = str(config)
        self._environ = environ

    def path(self) -> Path | None:
        """The secret's file, absolute as far as the configuration file's path is."""
        return Path(self._config).parent / self.file.expanduser() if self.file else None

    def read(self) -> str:
        """The secret, without a line end behind it.

        Raises InvalidInput (reason MissingSecret) that names the key and the place when it is absent, empty or
        unreadable.
        """
        path = self.path()
        if path is None:
            value = self._environ.get(self.env or "", "")
            return value or self._missing(f"environment variable {self.env} unset or empty", "a value in it")
        try:
            text = path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            return self._missing(f"{path}: {reason}", "a readable file")
        return text or self._missing(f"{path}: empty", "the secret in it")

    def _missing(self, found: str, expected: str) -> str:
        cure = "mount the secret there, or correct the reference"
        problem = Problem(self._config, 0, self._key, found, expected, cure)
        raise InvalidInput([problem], reason="MissingSecret")
