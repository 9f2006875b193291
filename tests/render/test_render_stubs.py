"""Flows whose packages are in the image only."""

from __future__ import annotations

from pathlib import Path

import pytest
import render_flows as flows

from aicore_sync.render import Renderer, RenderFailed

pytest_plugins = ("render_rooms",)
pytestmark = pytest.mark.asyncio(loop_scope="session")

HEAVY = flows.flow(
    "HeavyFlow",
    top="""
import heavytorch, heavytorch.nn as nn, heavyframe as pd
from heavytorch.utils.data import Dataset, DataLoader
from heavytorch.optim import *
try:
    import heavyextra
except ImportError:
    heavyextra = None

class Mine(Dataset, nn.Module, size=3):
    @heavytorch.no_grad()
    def forward(self, x: "nn.Tensor | None", y: pd.DataFrame | None = None) -> heavytorch.Tensor[int]:
        return x

assert Mine().forward(1) == 1
assert not isinstance(3, heavytorch.Tensor)
with heavytorch.inference() as nothing:
    assert not list(nothing)
DEVICE = heavytorch.device("cuda" if heavytorch.cuda.is_available() else "cpu")
""",
)


async def test_missing_packages_are_replaced_and_named(renderer: Renderer, tmp_path: Path) -> None:
    with pytest.raises(RenderFailed, match="No module named 'heavytorch'"):
        await renderer.render(flows.job(tmp_path, HEAVY))
    rendered = await renderer.render(flows.job(tmp_path, HEAVY, stub_imports=True))
    (warning,) = (w for w in rendered.warnings if "stand-ins" in w)
    assert "heavyextra, heavyframe, heavytorch;" in warning


async def test_flows_that_miss_nothing_are_the_same(renderer: Renderer, tmp_path: Path) -> None:
    job = flows.job(tmp_path, flows.FOREACH)
    one, two = (
        await renderer.render(job),
        await renderer.render(flows.job(tmp_path, flows.FOREACH, stub_imports=True)),
    )
    assert (one.document, one.uploads, one.warnings) == (two.document, two.uploads, two.warnings)


async def test_own_modules_are_not_replaced(renderer: Renderer, tmp_path: Path) -> None:
    """A typing error in one's own package fails here, as it would on AI Core."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").touch()
    text = "import mine.gone\n" + flows.LINEAR
    with pytest.raises(RenderFailed, match=r"No module named 'mine\.gone'"):
        await renderer.render(flows.job(tmp_path, text, stub_imports=True))
