"""Fixtures for the extension's tests: a desk per Metaflow, and a place to run what it makes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from extension_bench import ROOT, Cluster, Desk
from metaflows import NEWEST, OLDEST, environment

from aicore_sync.sandbox.objectstore import start_object_store


@pytest.fixture(scope="session")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory on PYTHONPATH that shows our extension to Metaflow, and nothing else of ours."""
    directory = tmp_path_factory.mktemp("extension")
    (directory / "metaflow_extensions").symlink_to(ROOT / "metaflow_extensions")
    return directory


@pytest.fixture(scope="session")
def newest(extension: Path, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk("newest", environment(NEWEST), extension, tmp_path_factory.mktemp("newest"))


@pytest.fixture(scope="session")
def oldest(extension: Path, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk("oldest", environment(OLDEST), extension, tmp_path_factory.mktemp("oldest"))


@pytest.fixture(params=[pytest.param("oldest", marks=pytest.mark.slow), "newest"])
def desk(request: pytest.FixtureRequest) -> Desk:
    made: Desk = request.getfixturevalue(request.param)
    return made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    store = await start_object_store("bucket")
    yield Cluster(store, tmp_path_factory.mktemp("runs"))
    await store.aclose()
