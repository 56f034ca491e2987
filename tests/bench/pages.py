"""How soon pages are there and how smoothly they move, in a real Chromium before a real server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect

from tests.browser.conftest import ARGUMENTS, chromium
from tests.browser.runs import until
from tests.browser.site import Site, Visitor, running, visiting
from tests.browser.test_editor import chain, edit, middle
from tests.browser.test_stream import MANY, SHOWN

ROUNDS = 3  # the best of them counts: what a busy machine cannot draw is no property of the page

SCROLL = """async ([role, pixels]) => {
    const box = document.querySelector(`[role=${role}]`);
    const end = Math.min(pixels, box.scrollHeight - box.clientHeight);
    box.scrollTop = 0;
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const begun = performance.now();
    let count = 0;
    return await new Promise((done) => {
        const step = (now) => {
            const at = (now - begun) / 2000;
            if (at >= 1) return done((count * 1000) / (now - begun));
            count += 1;
            box.scrollTop = Math.max(0, at) * end;
            requestAnimationFrame(step);
        };
        requestAnimationFrame(step);
    });
}"""
REST = """() => new Promise((done) => {
    let count = 0;
    const begun = performance.now();
    const step = (now) => {
        if (now - begun >= 2000) return done((count * 1000) / (now - begun));
        count += 1;
        requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
})"""
COUNT = """() => ({promise: new Promise((done) => {
  const times = [];
  window.stopFrames = () => done(times);
  const frame = (now) => { times.push(now); requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
})})"""


async def measure(folder: Path) -> dict[str, float]:
    """`opens`: seconds until ten thousand events are shown. Of each page that moves: its frames a second beside those that the
    same machine draws while it is at rest, as a ratio."""
    found: dict[str, float] = {}
    async with looking(folder) as (site, visitor):
        site.apply(MANY)
        run = site.run("many", wait=60)["run_id"]
        until(site, run, "completed")
        found["opens"] = min([await opens(visitor, run) for _ in range(ROUNDS)])
        for tab, role, row in (("journal", "list", "listitem"), ("timeline", "tree", "treeitem")):
            page = await visitor.go(f"/runs/{run}?tab={tab}")
            await expect(page.get_by_role(row).nth(10)).to_be_visible()
            found[tab] = max([await page.evaluate(SCROLL, [role, 60_000]) for _ in range(ROUNDS)]) / await rest(page)
        site.apply(chain("crowd", 300))
        page = await edit(visitor, "crowd")
        found["editor"] = max([await dragged(page) for _ in range(ROUNDS)]) / await rest(page)
    return found


@asynccontextmanager
async def looking(folder: Path) -> AsyncIterator[tuple[Site, Visitor]]:
    program = chromium()
    if program is None:
        raise RuntimeError("chromium is not installed")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        with running(folder) as site:
            async with visiting(site, browser, folder) as visitor:
                yield site, visitor
        await browser.close()


async def opens(visitor: Visitor, run: str) -> float:
    page = await visitor.tab()
    begin = time.perf_counter()
    await page.goto(f"{visitor.site.url}/runs/{run}?tab=journal", wait_until="commit")
    await page.wait_for_function(SHOWN)
    took = time.perf_counter() - begin
    await page.close()
    return took


async def rest(page: Page) -> float:
    """Frames a second of a page that does nothing."""
    return await page.evaluate(REST)


async def dragged(page: Page) -> float:
    """Frames a second while one of three hundred nodes is dragged."""
    x, y = await middle(page.get_by_test_id("node-n4"))
    await page.mouse.move(x, y)
    await page.mouse.down()
    counting = await page.evaluate_handle(COUNT)
    for step in range(60):
        await page.mouse.move(x + step % 20 * 4, y + step % 15 * 3)
    await page.mouse.up()
    await page.evaluate("window.stopFrames()")
    times = await counting.evaluate("(held) => held.promise")
    return (len(times) - 1) / (times[-1] - times[0]) * 1000
