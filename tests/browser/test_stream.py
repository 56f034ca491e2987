"""What happens while somebody looks: runs that go on, answers that are being written, servers that die, and very long runs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from tests.browser.runs import until
from tests.browser.site import Site, Visitor, running, visiting
from tests.e2e.shell import Gate
from tests.models.server import Provider, say

pytestmark = pytest.mark.anyio

MANY = {
    "penstock": 1,
    "name": "many",
    "inputs": {"type": "object", "properties": {"count": {"type": "integer", "default": 3400}}},
    "nodes": {
        "each": {"kind": "wait", "for_each": "${{ range(inputs.count) }}", "parallel": 500, "with": {"seconds": 0.001}},
    },
}
ROWS = 200  # at most, that a page holds of ten thousand; `make bench` measures how soon and how smoothly
SHOWN = """() => document.querySelectorAll('[role=listitem]').length > 10
    && /^10,/.test(document.querySelector('[role=tab][aria-selected=true] span span')?.textContent ?? '')"""


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.close()


def gated(gate: Gate) -> dict:
    return {
        "penstock": 1,
        "name": "gated",
        "nodes": {
            "hold": {"kind": "http", "with": {"method": "GET", "url": gate.url, "private": True}},
            "ok": {"kind": "human", "with": {"title": "Ship it?"}},
            "write": {"kind": "render", "with": {"name": "answer.md", "template": "# Shipped\n"}},
        },
        "edges": [{"from": "hold", "to": "ok"}, {"from": "ok", "to": "write"}],
    }


async def test_a_live_run_is_followed_to_its_artifact(visitor: Visitor, site: Site, gate: Gate):
    site.apply(gated(gate))
    run = site.run("gated", wait=0)["run_id"]
    page = await visitor.go(f"/runs/{run}")
    await expect(page.get_by_role("treeitem").filter(has_text="hold")).to_be_visible()
    await asyncio.to_thread(gate.arrived)
    await expect(page.locator("header [data-status=running]").first).to_be_visible()
    gate.open()
    await page.get_by_role("region", name="Ship it?").get_by_role("button", name="Approve").click()
    await expect(page.locator("header [data-status=completed]").first).to_be_visible()
    heard = page.locator("#announcements")
    await expect(heard).to_contain_text("The run is completed")
    await expect(heard).to_contain_text("Answered: approve")
    await page.get_by_role("tab", name=re.compile("^Artifacts")).click()
    await expect(page.get_by_role("heading", name="Shipped")).to_be_visible()


async def test_a_server_dies_mid_run_and_the_page_goes_on_by_itself(visitor: Visitor, site: Site, gate: Gate):
    site.apply(gated(gate))
    run = site.run("gated", wait=0)["run_id"]
    page = await visitor.go(f"/runs/{run}")
    await page.evaluate("window.notReloaded = true")
    await asyncio.to_thread(gate.arrived)
    for complaint in ("ERR_CONNECTION", "ERR_INCOMPLETE", "ERR_EMPTY_RESPONSE", "Failed to load resource"):
        visitor.expect_complaint(complaint)
    site.kill()
    await expect(page.get_by_text("Reconnecting")).to_be_visible()
    await expect(page.get_by_role("treeitem").filter(has_text="hold")).to_be_visible()
    await visitor.look("run-reconnecting")
    gate.open()
    site.start()
    await expect(page.get_by_text("Reconnecting")).to_have_count(0)
    await page.get_by_role("region", name="Ship it?").get_by_role("button", name="Approve").click()
    await expect(page.locator("header [data-status=completed]").first).to_be_visible()
    assert await page.evaluate("window.notReloaded") is True
    await page.get_by_role("tab", name=re.compile("^Journal")).click()
    await expect(page.get_by_role("listitem").filter(has_text="steps.lost")).to_be_visible()
    shown = await page.get_by_role("listitem").count()
    assert shown == site.api("GET", f"/runs/{run}")["head"]


async def test_an_answer_is_read_while_it_is_written(visitor: Visitor, site: Site):
    pause = asyncio.Event()
    first = "\n".join(f"line {n:03}".replace(" ", "_") for n in range(200))
    async with Provider(say(f"{first} and_then the_end", pause=pause)) as provider:
        site.api("PUT", "/secrets/test-key", {"value": "sk-not-a-real-key"})
        site.apply(
            {
                "penstock": 1,
                "name": "speaker",
                "nodes": {
                    "ask": {"kind": "human", "with": {"title": "Shall it speak?"}},
                    "talk": {
                        "kind": "agent",
                        "with": {
                            "model": "openai:test-model",
                            "base_url": provider.url,
                            "api_key_secret": "test-key",
                            "instructions": "Say something.",
                        },
                    },
                },
                "edges": [{"from": "ask", "to": "talk"}],
            }
        )
        run = await asyncio.to_thread(site.run, "speaker", wait=0)
        page = await visitor.go(f"/runs/{run['run_id']}?step=talk%231&part=talk")
        await expect(page.get_by_role("heading", name="This step has not begun")).to_be_visible()
        await page.get_by_role("region", name="Shall it speak?").get_by_role("button", name="Approve").click()
        live = page.get_by_test_id("live-words")
        await expect(live).to_contain_text("line_000")
        assert "the_end" not in await live.inner_text()
        await visitor.look("run-live-words")
        pause.set()
        await expect(live).to_have_count(0)
        panel = page.get_by_role("complementary", name="Step talk#1")
        await expect(panel.get_by_text("the_end").first).to_be_visible()
    events = await asyncio.to_thread(site.api, "GET", f"/runs/{run['run_id']}/events")
    assert not any("delta" in event["kind"] for event in events["events"])


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[tuple[Site, str]]:
    """A server with a run of more than ten thousand events."""
    with running(tmp_path_factory.mktemp("long")) as site:
        site.apply(MANY)
        run = site.run("many", wait=60)
        if run["status"] not in ("completed", "failed"):
            until(site, run["run_id"], "completed")
        head = site.api("GET", f"/runs/{run['run_id']}?steps=0")["head"]
        assert head > 10_000, head
        yield site, run["run_id"]


@pytest.fixture
async def reader(long_run: tuple[Site, str], browser: Browser, shots: Path) -> AsyncIterator[Visitor]:
    async with visiting(long_run[0], browser, shots) as visitor:
        yield visitor


@pytest.mark.parametrize(("where", "kind", "row"), [("journal", "list", "listitem"), ("timeline", "tree", "treeitem")])
async def test_a_page_holds_few_of_ten_thousand_rows(
    reader: Visitor, long_run: tuple[Site, str], where: str, kind: str, row: str
):
    page = await reader.go(f"/runs/{long_run[1]}?tab={where}")
    if where == "journal":
        await page.wait_for_function(SHOWN)
    rows = page.get_by_role(row)
    await expect(rows.nth(10)).to_be_visible()
    if where == "timeline":
        await reader.look("run-many-timeline")
    box = page.get_by_role(kind).first
    first = await rows.first.inner_text()
    for part in (0.25, 0.5, 1.0):
        await box.evaluate("(box, part) => { box.scrollTop = part * box.scrollHeight; }", part)
        await expect(rows.first).not_to_have_text(first)
        await expect(rows.nth(10)).to_be_visible()
        first = await rows.first.inner_text()
        assert await rows.count() < ROWS


async def test_a_deep_link_leads_into_the_middle_of_a_long_run(reader: Visitor, long_run: tuple[Site, str]):
    page = await reader.go(f"/runs/{long_run[1]}?tab=journal&seq=5000")
    row = page.get_by_role("listitem").filter(has=page.get_by_role("button", name="Copy its address"))
    await expect(row).to_be_visible()
    await expect(row.get_by_role("button").first).to_contain_text("5000")
