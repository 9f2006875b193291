"""A person at a real browser: sees the broken flow, finds why in two clicks, mends it, and watches it become healthy.

With AICORE_SYNC_SCREENSHOTS=1 the pictures in docs/screenshots are made anew on the way.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, FloatRect, Page, async_playwright, expect

from aicore_sync.app import build
from aicore_sync.app.service import serve
from aicore_sync.config import load_settings
from aicore_sync.demo import prepare, sandbox, seed

CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
PICTURES = Path(__file__).parents[2] / "docs" / "screenshots"
PATIENCE = 120_000  # milliseconds


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")
async def test_a_broken_flow_is_found_mended_and_seen_healthy(tmp_path: Path) -> None:
    async with demo(tmp_path) as address, chromium() as browser:
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        strangers: list[str] = []
        page.on("console", lambda message: strangers.append(message.text))
        page.on("request", lambda r: strangers.append(r.url) if not r.url.startswith(address) else None)
        await page.goto(address)
        row = page.locator("tbody", has_text="score-customers")
        await expect(row).to_contain_text("healthy", timeout=PATIENCE)

        manifest = tmp_path / "flows" / "score-template" / "aicore.yaml"
        good = manifest.read_text()
        manifest.write_text(good.replace("scenario:", "scenari:", 1))
        wrong = page.locator(".attention a", has_text="score-customers")
        await expect(wrong).to_contain_text("scenari", timeout=PATIENCE)
        await picture(page, "attention")

        await wrong.click()  # the first click shows why, in whole
        await expect(page.locator("p.sentence")).to_contain_text("aicore.yaml")
        await picture(page, "broken-flow")

        manifest.write_text(good)
        await expect(page.locator(".heading .health")).to_have_text("healthy", timeout=PATIENCE)
        await through_the_pages(page, tmp_path)
        await every_link_of_the_first_page(page, address)
        await on_a_phone_in_the_dark(browser, address)
        assert strangers == [], strangers


async def through_the_pages(page: Page, room: Path) -> None:
    """Every page by its links: flow, run, publication, events, environment; then log in and act."""
    await expect(page.locator("svg.dag")).to_be_visible(timeout=PATIENCE)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await picture(page, "flow")
    await page.locator("#executions ~ form td[data-label=State]", has_text="completed").first.wait_for(
        timeout=PATIENCE
    )
    await page.locator("#executions ~ form .id a").first.click()
    await expect(page.locator("#log-lines")).to_be_visible(timeout=PATIENCE)
    await picture(page, "run", above="#log")
    await page.go_back()
    await page.locator(".rollouts th a").first.click()
    await expect(page.locator("h2", has_text="Line by line")).to_be_visible()
    await page.get_by_role("link", name="Events", exact=True).click()
    await expect(page.locator("table.events")).to_contain_text("Manifest invalid")
    await picture(page, "events")
    await page.get_by_role("link", name="Log in").click()
    await page.get_by_label("Token").fill((room / "secrets" / "web-token").read_text())
    await page.get_by_role("button", name="Log in").click()
    await page.goto(page.url.partition("/events")[0] + "/flows/score-customers/dev")
    await page.get_by_placeholder("Reason").fill("a look around")
    await page.get_by_role("button", name="Suspend").click()
    await expect(page.locator(".told")).to_contain_text("you suspended score-customers")
    await expect(page.locator(".heading .health")).to_have_text("suspended", timeout=PATIENCE)
    await page.get_by_role("button", name="Resume").click()
    await expect(page.locator(".heading .health")).to_have_text("healthy", timeout=PATIENCE)


async def every_link_of_the_first_page(page: Page, address: str) -> None:
    """None of them leads nowhere, and no page breaks."""
    await page.goto(address)
    links: list[str] = await page.locator("a").evaluate_all("all => all.map(a => a.href)")
    answers = {link: (await page.request.get(link)).status for link in set(links)}
    assert any("/flows/" in link for link in links)
    assert [link for link, status in answers.items() if status != 200] == []


async def on_a_phone_in_the_dark(browser: Browser, address: str) -> None:
    """Nothing is wider than the screen; the keyboard reaches the content first."""
    page = await browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    await page.goto(address)
    await expect(page.locator("#live")).to_have_text("Live", timeout=PATIENCE)
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    await picture(page, "phone")
    run = await page.request.get(f"{address}/api/v1/executions?limit=1")
    (newest,) = (await run.json())["executions"]
    pages = ("", "/events", "/flows/score-customers/dev", f"/runs/dev/{newest['id']}", "/publications/1")
    for path in pages:
        await page.goto(f"{address}{path}")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


async def picture(page: Page, name: str, above: str = "") -> None:
    """Keep the page as a picture where that was asked for, or the part above an element: logs name machines."""
    if os.environ.get("AICORE_SYNC_SCREENSHOTS"):
        PICTURES.mkdir(exist_ok=True)
        size = page.viewport_size or {"width": 0, "height": 0}
        box = await page.locator(above).bounding_box() if above else None
        height = min(size["height"], box["y"] - 4) if box else size["height"]
        clip: FloatRect = {"x": 0, "y": 0, "width": size["width"], "height": height}
        await page.screenshot(path=PICTURES / f"{name}.png", clip=clip)


@asynccontextmanager
async def demo(room: Path) -> AsyncIterator[str]:
    """The demo's world with its one flow that needs no rendering environment; gives the window's address."""
    async with sandbox(room) as world:
        prepare(world, ["score-template"])
        await seed(world)
        address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        async with build(load_settings(world.config, {})) as app:
            service = asyncio.create_task(serve(app, address.set_result, stop))
            yield await asyncio.wait_for(address, 60)
            stop.set()
            await asyncio.wait_for(service, 60)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS.split())
        yield browser
        await browser.close()
