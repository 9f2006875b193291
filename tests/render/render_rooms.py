"""Built rendering environments and two renderers, shared by the tests of a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from metaflows import OLDEST, environment
from platformdirs import user_cache_path
from render_flows import with_native

from aicore_sync.render import Dialect, Environment, Renderer, RenderOptions
from aicore_sync.render.environments import environment_python


async def built(dialect: Dialect) -> Path:
    """The environment of a dialect, shared by all test runs of this user."""
    return await environment_python(RenderOptions(cache_dir=user_cache_path("aicore-sync")), dialect)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def python() -> Path:
    return await built("native")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def renderer(python: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Renderer]:
    """Of both dialects; `rendering="oldest"` is native with the oldest Metaflow."""
    old = await asyncio.to_thread(environment, OLDEST)
    environments = {
        "native": Environment(python),
        "plugin": Environment(await built("plugin")),
        "oldest": Environment(old),
    }
    made = Renderer(RenderOptions(tmp_path_factory.mktemp("cache"), environments=environments))
    await made.start()
    yield made
    await made.aclose()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def strict(python: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Renderer]:
    """Little time and space."""
    cache = tmp_path_factory.mktemp("strict")
    made = Renderer(with_native(cache, python, deadline=5, output=3 << 20, memory=1 << 30))
    await made.start()
    yield made
    await made.aclose()
