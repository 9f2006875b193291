"""Artifacts on their way: from the object store into a pod, out of a pod, back into the object store.

All functions here block; call them through `asyncio.to_thread`.
"""

from __future__ import annotations

import functools
import shutil
import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from aicore_sync.sandbox.workflow.calls import Artifact, Json, TemplateError
from aicore_sync.sandbox.workflow.model import StoreLocation


@functools.lru_cache(maxsize=16)
def _client(store: StoreLocation) -> Any:
    import boto3  # type: ignore[import-untyped]
    from botocore.config import Config  # type: ignore[import-untyped]

    return boto3.client(
        "s3",
        endpoint_url=store.endpoint or None,
        aws_access_key_id=store.access_key,
        aws_secret_access_key=store.secret_key,
        region_name=store.region or None,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 3}, connect_timeout=10),
    )


def place(declared: Json, source: Artifact, target: Path, store: StoreLocation | None) -> None:
    """Put an input artifact at `target`; a tar.gz is unpacked unless `archive: {none: {}}` says not to.

    Raises `TemplateError` when nothing lies at the source.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.path is not None:
        _copy(source.path, target)
    elif source.address.startswith("file:"):
        local = Path(unquote(urlsplit(source.address).path))
        if not local.exists():
            raise TemplateError(f"input artifact {declared['name']!r}: there is no {local}")
        _copy(local, target)
    else:
        _fetch(declared["name"], source.address, target, store)
    if (
        (declared.get("archive") or {}).get("none") is None
        and target.is_file()
        and tarfile.is_tarfile(target)
    ):
        _unpack(target)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)


def _fetch(name: str, address: str, target: Path, store: StoreLocation | None) -> None:
    try:
        _download(name, address, target, store)
    except TemplateError:
        raise
    except Exception as error:  # boto3 raises a class per service and cause
        raise TemplateError(
            f"input artifact {name!r} could not be fetched from {address!r}: {error}"
        ) from error


def _download(name: str, address: str, target: Path, store: StoreLocation | None) -> None:
    if store is None:
        raise TemplateError(f"input artifact {name!r}: the resource group has no object store secret for it")
    bucket, key = store.bucket, address
    if address.startswith("s3://"):
        bucket, _, key = address.removeprefix("s3://").partition("/")
    client = _client(store)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key.rstrip("/"))
    found = [item["Key"] for page in pages for item in page.get("Contents", [])]
    if key in found:
        client.download_file(bucket, key, str(target))
        return
    folder = key.rstrip("/") + "/"
    members = [item for item in found if item.startswith(folder) and not item.endswith("/")]
    if not members:
        raise TemplateError(f"input artifact {name!r}: nothing lies at s3://{bucket}/{key}")
    for member in members:
        local = target / member.removeprefix(folder)
        if not local.resolve().is_relative_to(target.resolve()):
            raise TemplateError(f"input artifact {name!r}: the key {member!r} leaves its folder")
        local.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(bucket, member, str(local))


def _unpack(archive: Path) -> None:
    """Replace a tar by its content; a single entry takes the archive's place, as Argo's executor does it."""
    into = archive.with_name(archive.name + ".unpacked")
    with tarfile.open(archive) as tar:
        tar.extractall(into, filter="data")
    archive.unlink()
    entries = list(into.iterdir())
    if len(entries) == 1:
        entries[0].rename(archive)
        into.rmdir()
    else:
        into.rename(archive)


def collect(declared: Json, source: Path, into: Path) -> Artifact | None:
    """Copy an output artifact out of its pod: as it is with `archive: {none: {}}`, else as tar.gz.

    None when there is nothing and the artifact is optional; `TemplateError` when it is not.
    """
    if not source.exists():
        if declared.get("optional"):
            return None
        raise TemplateError(
            f"output artifact {declared['name']!r}: the step left nothing at {declared['path']}"
        )
    into.mkdir(parents=True, exist_ok=True)
    target = into / declared["name"]
    if (declared.get("archive") or {}).get("none") is not None:
        _copy(source, target)
    else:
        with tarfile.open(target, "w:gz") as tar:
            tar.add(source, arcname=Path(declared["path"]).name)
    return Artifact(path=target)


def upload(store: StoreLocation, source: Path, key: str) -> None:
    """Write a file to `key`, or the files of a directory below it."""
    client = _client(store)
    if source.is_file():
        client.upload_file(str(source), store.bucket, key)
        return
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        client.upload_file(str(file), store.bucket, f"{key}/{file.relative_to(source).as_posix()}")
