"""Owns the object store: what a template refers to is there before the template is committed, and logs of deleted runs.

The key of a blob is a digest of its content, and that of a log names its execution, so what exists is right and is
never written again.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote, urlsplit

import obstore
import structlog
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import LocalStore, S3Store

from aicore_sync.core.errors import InvalidInput, Problem, Stalled, SyncError, Transient
from aicore_sync.core.world import Upload

if TYPE_CHECKING:
    from obstore.store import S3Credential

Store: TypeAlias = S3Store | LocalStore

_STORE_ERRORS = (
    BaseError,
    FileNotFoundError,
    ValueError,
)  # obstore gives "not found" and bad settings as builtins
_BAD_KEYS = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "ExpiredToken", "status: 403")

_WHOLE = 16 * 2**20  # a larger file goes in parts, which stores cannot write only if absent
_NO_CONDITIONS = ("NotImplemented", "501 Not Implemented")  # stores without conditional writes

log = structlog.get_logger()


@dataclass(frozen=True)
class StoreKeys:
    """Credentials of an S3 store."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True)
class DataStoreOptions:
    """`root` is `s3://bucket/prefix` or `file:///directory`; everything uploaded lies below it.

    `endpoint` (scheme and host) is for stores other than AWS; `http://` is allowed there. `proxy`, `no_proxy` (hosts
    or domains) and `ca_bundle` (PEM file) as for the AI-API; `timeout` is seconds for one request.
    """

    root: str
    endpoint: str = ""
    region: str = ""
    proxy: str = field(default="", repr=False)  # may hold a password
    no_proxy: tuple[str, ...] = ()
    ca_bundle: str = ""
    timeout: float = 60.0


class DataStore:
    """Puts captured uploads where templates look for them.

    `credentials` is asked for every operation, so rotated keys take effect; None means what the process has around
    it (environment, instance role).
    """

    def __init__(self, options: DataStoreOptions, credentials: Callable[[], StoreKeys | None]) -> None:
        self._options = options
        self._credentials = credentials
        self._root = _Location.parse(options.root, "datastore.root")
        self._opened: tuple[StoreKeys | None, Store] | None = None

    async def ensure(self, upload: Upload) -> bool:
        """Upload the file unless its URL is taken; True when this call wrote it.

        Raises Stalled (access denied, a URL outside the root) or Transient (network, the captured file is gone).
        """
        key = self._key(upload.url)
        try:
            store = await self._store()
            if await _taken(store, key):
                return False
            content = await asyncio.to_thread(_captured, upload)
            wrote = await _create(store, key, content)
        except _STORE_ERRORS as error:
            raise self._explained(error, upload.url) from None
        log.info("upload_done", url=upload.url, bytes=len(content), written=wrote)
        return wrote

    async def holds(self, name: str) -> bool:
        """Whether there is something under this name below the root. Raises as `ensure`."""
        try:
            return await _taken(await self._store(), name)
        except _STORE_ERRORS as error:
            raise self._explained(error, self._address(name)) from None

    async def keep(self, name: str, file: Path) -> bool:
        """Write a file of any size under a name below the root unless it is taken; True when this call wrote it.

        Raises as `ensure`.
        """
        try:
            store = await self._store()
            if await _taken(store, name):
                return False
            if (await asyncio.to_thread(file.stat)).st_size > _WHOLE:
                await obstore.put_async(store, name, file)
                return True
            return await _create(store, name, await asyncio.to_thread(file.read_bytes))
        except _STORE_ERRORS as error:
            raise self._explained(error, self._address(name)) from None

    async def check(self) -> None:
        """Prove that the store can be reached and read; raises as `ensure` does."""
        try:
            store = await self._store()
            await _exists(store, ".aicore-sync-check")
            await anext(aiter(obstore.list(store, chunk_size=1)), None)
        except _STORE_ERRORS as error:
            raise self._explained(error, self._options.root) from None

    def _address(self, name: str) -> str:
        return f"{self._options.root.rstrip('/')}/{name}"

    def _key(self, url: str) -> str:
        """The key below the root. Rendering runs users' code, so a URL is not trusted to be in our place."""
        place = _Location.parse(url, "upload.url")
        inside = f"{self._root.path}/" if self._root.path else ""
        parts = place.path.split("/")
        ours = (place.scheme, place.bucket) == (self._root.scheme, self._root.bucket)
        if not ours or not place.path.startswith(inside) or ".." in parts or "" in parts or "." in parts:
            message = (
                f"the upload to {url} is outside the datastore root {self._options.root}; it was not written"
            )
            raise Stalled(message, reason="UploadRefused")
        return place.path.removeprefix(inside)

    async def _store(self) -> Store:
        """The store for the present credentials; opening it may read the CA bundle."""
        keys = self._credentials()
        if self._opened is None or self._opened[0] != keys:
            self._opened = (keys, await asyncio.to_thread(_open, self._options, self._root, keys))
        return self._opened[1]

    def _explained(self, error: Exception, url: str) -> SyncError:
        where = f" at {self._options.endpoint}" if self._options.endpoint else ""
        said = f"{url}{where}: {_words(error)}"
        if isinstance(error, PermissionDeniedError | UnauthenticatedError) or _mentions(error, _BAD_KEYS):
            cure = "check datastore.credentials of the tenant: they must be allowed to read, list and write there"
            return Stalled(f"access denied to {said}; {cure}", reason="AccessDenied")
        if isinstance(error, FileNotFoundError) or _mentions(error, ("NoSuchBucket",)):
            return Stalled(
                f"no such bucket: {said}; create it or mend datastore.root", reason="BucketMissing"
            )
        cure = "check datastore.endpoint, the network and its proxy"
        return Transient(f"the object store failed for {said}; {cure}", reason="StoreUnreachable")


@dataclass(frozen=True)
class _Location:
    """A parsed URL: `bucket` is empty for `file://`, `path` has no slash at its ends."""

    scheme: str
    bucket: str
    path: str

    @classmethod
    def parse(cls, url: str, key: str) -> _Location:
        parts = urlsplit(url)
        local = parts.scheme == "file"
        if (
            parts.scheme not in ("s3", "file")
            or (not local and not parts.netloc)
            or parts.query
            or parts.fragment
        ):
            problem = Problem("datastore", 0, key, repr(url), "s3://bucket/prefix or file:///directory")
            raise InvalidInput([problem], reason="InvalidDatastore")
        path = unquote(parts.path) if local else parts.path
        return cls(parts.scheme, "" if local else parts.netloc, path.strip("/"))


def _open(options: DataStoreOptions, root: _Location, keys: StoreKeys | None) -> Store:
    if root.scheme == "file":
        return LocalStore(prefix=f"/{root.path}", mkdir=True)
    config: dict[str, Any] = {"region": options.region or "us-east-1"}
    if options.endpoint:
        config["endpoint"] = options.endpoint.rstrip("/")
    if keys:
        config["credential_provider"] = lambda: _credential(keys)
    return S3Store(
        root.bucket,
        prefix=root.path or None,
        client_options=_client(options),
        retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=options.timeout)},
        **config,
    )


def _client(options: DataStoreOptions) -> Any:
    client: dict[str, Any] = {
        "timeout": timedelta(seconds=options.timeout),
        "connect_timeout": timedelta(seconds=min(10.0, options.timeout)),
        "allow_http": options.endpoint.startswith("http://"),
    }
    if options.proxy:
        client["proxy_url"] = options.proxy
        client["proxy_excludes"] = ",".join(options.no_proxy)
    if options.ca_bundle:
        try:
            client["root_certificate"] = Path(options.ca_bundle).read_bytes()
        except OSError as error:
            message = f"network.caBundle: {options.ca_bundle} cannot be read ({error.strerror})"
            raise Stalled(message, reason="InvalidCaBundle") from None
    return client


def _credential(keys: StoreKeys) -> S3Credential:
    return {
        "access_key_id": keys.access_key,
        "secret_access_key": keys.secret_key,
        "token": keys.session_token or None,
        "expires_at": None,
    }


async def _exists(store: Store, key: str) -> bool:
    try:
        await obstore.head_async(store, key)
    except FileNotFoundError:
        return False
    return True


async def _taken(store: Store, key: str) -> bool:
    """As `_exists`; S3 denies the look at a missing key to whoever may not list, then the write itself tells."""
    try:
        return await _exists(store, key)
    except PermissionDeniedError:
        return False


async def _create(store: Store, key: str, content: bytes) -> bool:
    """Write only if absent where the store can do that; else plainly, which for content-addressed keys is as good."""
    try:
        await obstore.put_async(store, key, content, mode="create")
    except AlreadyExistsError:
        return False
    except (NotSupportedError, BaseError) as error:
        if not isinstance(error, NotSupportedError) and not _mentions(error, _NO_CONDITIONS):
            raise
        await obstore.put_async(store, key, content, mode="overwrite")
    return True


def _captured(upload: Upload) -> bytes:
    """The captured bytes. They must be what was captured: a half-written or changed copy never leaves the house."""
    try:
        content = Path(upload.file).read_bytes()
    except OSError as error:
        message = (
            f"the captured file of {upload.url} cannot be read ({error.strerror}); it will be rendered again"
        )
        raise Transient(message, reason="UploadMissing") from None
    if hashlib.sha256(content).hexdigest() != upload.digest:
        message = (
            f"the captured file of {upload.url} has changed since it was captured; it will be rendered again"
        )
        raise Transient(message, reason="UploadCorrupt")
    return content


def _mentions(error: Exception, codes: tuple[str, ...]) -> bool:
    """S3's error codes are only in the text of obstore's generic errors."""
    return any(code in str(error) for code in codes)


def _words(error: Exception) -> str:
    """S3's own code and message where there are any, else the first line: obstore appends pages of debug text."""
    found = re.search(r"<Code>([^<]*)</Code>\s*<Message>([^<]*)", str(error))
    if found:
        return f"{found[1]}: {found[2]}"
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
