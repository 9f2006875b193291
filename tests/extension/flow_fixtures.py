"""The line that `flow_runs` describes, one per session."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from flow_runs import Line
from metaflows import OLDEST, environment
from platformdirs import user_cache_path
from quick_pods import QuickPods

from aicore_sync.render import Environment, Renderer, RenderOptions
from aicore_sync.render.environments import environment_python
from aicore_sync.sandbox.objectstore import start_object_store


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def line(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Line]:
    shared = RenderOptions(user_cache_path("aicore-sync"))
    environments = {"oldest": Environment(environment(OLDEST))}
    environments["native"] = Environment(await environment_python(shared, "native"))
    environments["plugin"] = Environment(await environment_python(shared, "plugin"))
    renderer = Renderer(RenderOptions(tmp_path_factory.mktemp("cache"), environments=environments))
    store = await start_object_store("bucket")
    yield Line(renderer, store, QuickPods(tmp_path_factory.mktemp("pods")), tmp_path_factory.mktemp("runs"))
    await store.aclose()
    await renderer.aclose()
