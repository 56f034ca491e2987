"""The first pages somebody meets: the catalog, the runs, and what stands round every page."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Response, expect
from tests.browser.site import Site, Visitor

pytestmark = pytest.mark.anyio

SLOW = {
    "penstock": 1,
    "name": "slow",
    "title": "Wait for long",
    "persona": "operator",
    "tags": ["waiting"],
    "nodes": {"wait": {"kind": "wait", "with": {"seconds": 600}}},
}
GREETING = {
    "penstock": 1,
    "name": "greeting",
    "title": "Greet somebody",
    "persona": "writer",
    "tags": ["text"],
    "difficulty": "beginner",
    "minutes": 1,
    "inputs": {"type": "object", "properties": {"who": {"type": "string", "default": "world"}}},
    "nodes": {"text": {"kind": "render", "with": {"name": "hello.md", "template": "Hello, ${{ inputs.who }}"}}},
}


async def test_the_first_run_is_two_clicks_and_one_field_away(visitor: Visitor, site: Site, tmp_path):
    (tmp_path / "one.py").write_text("def f(x=[]):\n    return x\n")
    page = await visitor.go("/")
    await expect(page.get_by_role("region", name="Your first run")).to_be_visible()
    await visitor.look("catalog-first")
    await page.get_by_role("link", name="Start", exact=True).click()
    await page.get_by_role("textbox", name="Folder").fill(str(tmp_path))
    await page.get_by_role("button", name="Start a test run").click()
    await expect(page).to_have_url(re.compile(r"/runs/[\w-]+$"))
    run = site.api("GET", f"/runs/{page.url.rpartition('/')[2]}")
    assert (run["workflow"], run["mode"], run["inputs"]["folder"]) == ("survey", "test_run", str(tmp_path))


async def test_the_catalog_is_searched_and_filtered_and_says_so_in_its_address(visitor: Visitor, site: Site):
    site.apply(GREETING)
    site.apply(SLOW)
    page = await visitor.go("/")
    cards = page.get_by_role("article")
    await expect(page.get_by_role("article", name="Greet somebody")).to_contain_text("beginner")
    await visitor.look("catalog")
    await page.keyboard.press("/")
    await page.keyboard.type("greet")
    await expect(cards).to_have_count(1)
    await expect(page).to_have_url(re.compile(r"\?q=greet$"))
    await page.get_by_label("Search workflows", exact=True).fill("nothing like it")
    await expect(page.get_by_role("heading", name="No workflow matches")).to_be_visible()
    await visitor.look("catalog-no-match")
    await page.get_by_role("button", name="Show all").click()
    await page.get_by_role("article", name="Wait for long").get_by_role("button", name="waiting").click()
    await expect(cards).to_have_count(1)
    await page.reload()
    await expect(cards).to_have_count(1)
    await expect(cards.first).to_have_accessible_name("Wait for long")


async def test_everything_is_a_few_letters_away(visitor: Visitor, site: Site):
    site.apply(GREETING)
    run = site.run("greeting")
    page = await visitor.go("/")
    await page.keyboard.press("Control+k")
    await page.get_by_placeholder("Workflows, runs, pages…").fill("greet")
    await expect(page.get_by_role("button", name="Run Greet somebody")).to_be_visible()
    await visitor.look("search", whole=False)
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("/workflows/greeting/run$"))
    await page.keyboard.press("Control+k")
    await page.get_by_placeholder("Workflows, runs, pages…").fill(run["run_id"])
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(f"/runs/{run['run_id']}$"))


async def test_pages_are_reached_with_the_keyboard(visitor: Visitor):
    page = await visitor.go("/")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#main")).to_be_focused()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    await visitor.look("shortcuts", whole=False)
    await page.keyboard.press("Escape")
    await page.keyboard.press("g")
    await page.keyboard.press("r")
    await expect(page).to_have_url(re.compile("/runs$"))
    await expect(page).to_have_title("Runs · Penstock")
    await expect(page.locator("#announcements")).to_contain_text("Runs")


async def test_colours_are_those_of_the_system_until_somebody_chooses(visitor: Visitor):
    page = await visitor.go("/")
    await page.emulate_media(color_scheme="dark")
    await expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    await page.get_by_role("button", name="Colours").click()
    await page.get_by_role("menuitem", name="Light").click()
    await expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "light")
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "light")


async def test_an_address_that_leads_nowhere_says_so(visitor: Visitor):
    page = await visitor.go("/nothing/here")
    await expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    await visitor.look("not-found")


async def test_runs_are_filtered_by_their_address_and_follow_what_happens(visitor: Visitor, site: Site):
    site.apply(GREETING)
    site.apply(SLOW)
    done = site.run("greeting")
    page = await visitor.go("/runs?workflow=greeting")
    rows = page.get_by_role("row").filter(has=page.locator("[data-row-link]"))
    shown = await rows.count()
    site.run("greeting")
    await expect(rows).to_have_count(shown + 1)
    await expect(page.get_by_role("row").filter(has_text=done["run_id"][-8:])).to_contain_text("Completed")
    await page.get_by_role("combobox", name="Status").click()
    await page.get_by_role("option", name="Failed").click()
    await expect(page).to_have_url(re.compile(r"status=failed&workflow=greeting$"))
    await expect(page.get_by_role("heading", name="No run matches")).to_be_visible()
    await page.get_by_role("button", name="Save view").click()
    await page.get_by_label("Name of this view").fill("Broken greetings")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Show all runs").click()
    await expect(page).to_have_url(re.compile(r"/runs$"))
    await page.get_by_role("button", name="All runs").click()
    await page.get_by_role("menuitem", name="Broken greetings").click()
    await expect(page).to_have_url(re.compile(r"status=failed&workflow=greeting$"))


async def test_runs_are_cancelled_together(visitor: Visitor, site: Site):
    site.apply(SLOW)
    ids = [site.run("slow", wait=0)["run_id"] for _ in range(3)]
    page = await visitor.go("/runs?workflow=slow")
    for one in ids[:2]:
        await page.get_by_role("checkbox", name=f"Choose run {one}").check()
    await visitor.look("runs-chosen")
    await page.get_by_role("region", name="Chosen runs").get_by_role("button", name="Cancel 2 runs").click()
    await page.get_by_label("Reason").fill("not needed")
    await visitor.look("runs-cancel", whole=False)
    await page.get_by_role("dialog").get_by_role("button", name="Cancel 2 runs").click()
    await expect(page.get_by_role("row").filter(has_text="Cancelled")).to_have_count(2)
    assert [site.api("GET", f"/runs/{one}")["status"] for one in ids] == ["cancelled", "cancelled", "waiting"]
    site.api("POST", f"/runs/{ids[2]}/cancel", {})


async def test_a_server_that_is_gone_is_told_and_its_return_noticed(visitor: Visitor, site: Site):
    site.apply(GREETING)
    site.run("greeting")
    page = await visitor.go("/runs")
    await expect(page.get_by_role("row").filter(has_text="greeting").first).to_be_visible()
    visitor.expect_complaint("ERR_CONNECTION_REFUSED")
    visitor.expect_complaint("Failed to load resource")
    site.kill()
    await expect(page.get_by_role("alert")).to_contain_text("not up to date")
    await expect(page.get_by_role("row").filter(has_text="greeting").first).to_be_visible()
    site.start()
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_the_first_load_is_small_and_soon_painted(visitor: Visitor):
    page = await visitor.tab()
    seen: list[Response] = []
    page.on("response", lambda response: seen.append(response))  # noqa: PLW0108 - a built-in cannot be marked
    await visitor.go("/", page)
    await page.wait_for_load_state("networkidle")
    size = sum([(await response.request.sizes())["responseBodySize"] for response in seen])
    assert size < 350_000
    painted = await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    assert painted is not None
    print(f"first load {size} bytes, first contentful paint {painted:.0f} ms")
