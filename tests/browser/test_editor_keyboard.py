"""The editor without a mouse: the outline does all that the canvas does, and says what was done."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect
from tests.browser.site import Site, Visitor
from tests.browser.test_editor import CODE, PAIR, TWICE, edit, named, saved

pytestmark = pytest.mark.anyio


async def tab_to(page: Page, name: str, most: int = 60) -> None:
    """Press Tab until what has this accessible name has the focus."""
    for _ in range(most):
        focused = await page.evaluate(
            "() => { const e = document.activeElement; return e.ariaLabel || e.labels?.[0]?.innerText || e.innerText || '' }"
        )
        if re.search(name, focused):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {name}")


async def heard(page: Page, text: str) -> None:
    await expect(page.locator("#announcements")).to_contain_text(text)


async def insert(page: Page, kind: str, said: str) -> None:
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("combobox", name="Kind of node")).to_be_focused()
    await page.keyboard.type(kind)
    await page.keyboard.press("Enter")
    await heard(page, said)
    await expect(page.get_by_role("textbox", name="Node name")).to_be_focused()


async def test_a_flow_is_built_and_run_with_the_keyboard_alone(visitor: Visitor, site: Site):
    page = await visitor.go("/workflows/new")
    await tab_to(page, "^Title")
    await page.keyboard.type("By keys")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("/workflows/by-keys/edit$"))
    await expect(page.get_by_text("Nothing here yet")).to_be_visible()
    await insert(page, "code", "code added")
    await tab_to(page, "^Source")
    await page.keyboard.press("Control+a")
    await page.keyboard.insert_text(CODE)
    await insert(page, "code", "code_2 added after code")
    await page.keyboard.press("Control+a")
    await page.keyboard.type("twice")
    await page.keyboard.press("Enter")
    await heard(page, "code_2 is now twice")
    await tab_to(page, "^Source")
    await page.keyboard.press("Control+a")
    await page.keyboard.insert_text(TWICE)
    await tab_to(page, "^Input")
    await page.keyboard.type("${{ nodes.co")
    await expect(page.locator(".cm-tooltip-autocomplete")).to_be_visible()
    await page.wait_for_function("() => document.querySelector('.cm-tooltip-autocomplete li[aria-selected]')")
    await page.keyboard.press("Escape")
    await page.keyboard.type("de.output.n")
    await insert(page, "render", "render added after twice")
    await tab_to(page, "^Template")
    await page.keyboard.press("Control+a")
    await page.keyboard.insert_text("It is ${{ nodes.twice.output.n }}")
    await expect(page.get_by_text("No problems")).to_be_visible()
    await page.keyboard.press("Control+s")
    await saved(page)
    document = site.api("GET", "/workflows/by-keys")["document"]
    assert [(edge["from"], edge["to"]) for edge in document["edges"]] == [("code", "twice"), ("twice", "render")]
    await page.get_by_role("button", name="Run", exact=True).focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Start a test run")).to_be_visible()
    await page.keyboard.press("Control+Enter")
    await expect(page).to_have_url(re.compile(r"/runs/[\w-]+$"))
    await expect(page.locator("[data-status=completed]").first).to_be_visible()
    run = site.api("GET", f"/runs/{page.url.rpartition('/')[2]}?steps=9")
    assert {step["node"]: step["output"] for step in run["steps"]}["twice"] == {"n": 42}


async def test_the_outline_does_what_the_canvas_does(visitor: Visitor, site: Site):
    site.apply(named(PAIR, "outline"))
    page = await edit(visitor, "outline")

    def row(name: str) -> Any:
        return page.locator(f"[data-row={name}]")

    await row("first").focus()
    await page.keyboard.press("ArrowDown")
    await expect(row("second")).to_be_focused()
    await page.keyboard.press("Alt+ArrowUp")
    await heard(page, "second is 1 of 2")
    await expect(row("second")).to_be_focused()
    await page.keyboard.press("d")
    await heard(page, "second_2 pasted")
    await row("second_2").focus()
    await page.keyboard.press("c")
    field = page.get_by_role("textbox", name="Node that second_2 leads to")
    await expect(field).to_be_focused()
    await expect(page.get_by_role("button", name="first", exact=True)).to_be_visible()
    await page.keyboard.type("first")
    await page.keyboard.press("Enter")
    await heard(page, "second_2 leads to first")
    await row("second").focus()
    await page.keyboard.press("c")
    await expect(page.get_by_role("textbox", name="Node that second leads to")).to_be_focused()
    await page.keyboard.type("first")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("first → second → first")
    await row("second_2").focus()
    await tab_to(page, "Disconnect second_2 from first")
    await page.keyboard.press("Enter")
    await heard(page, "the edge second_2 → first removed")
    await row("second_2").focus()
    await page.keyboard.press("Delete")
    await heard(page, "second_2 removed")
    await expect(row("second_2")).to_have_count(0)
    await row("first").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("textbox", name="Node name")).to_be_focused()
    await saved(page)
    document = site.api("GET", "/workflows/outline")["document"]
    assert list(document["nodes"]) == ["second", "first"]
    assert document["edges"] == [{"from": "first", "to": "second"}]


async def test_nodes_are_copied_as_json(visitor: Visitor, site: Site):
    site.apply(named(PAIR, "copied"))
    page = await edit(visitor, "copied")
    await page.locator("[data-row=first]").focus()
    await page.keyboard.press("Control+a")
    await page.keyboard.press("Control+c")
    await page.keyboard.press("Control+v")
    await heard(page, "first_2, second_2 pasted")
    await saved(page)
    document = site.api("GET", "/workflows/copied")["document"]
    assert document["nodes"]["second_2"]["with"]["input"] == "${{ nodes.first_2.output.n }}"
    assert document["edges"][-1] == {"from": "first_2", "to": "second_2"}


async def test_a_node_is_moved_with_the_arrow_keys(visitor: Visitor, site: Site):
    site.apply(named(PAIR, "arrows"))
    page = await edit(visitor, "arrows")
    await page.locator('.react-flow__node[data-id="first"]').focus()
    await page.keyboard.press("Space")
    for _ in range(5):
        await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("button", name="Undo")).to_have_attribute("aria-disabled", "false")
    await page.keyboard.press("Control+s")
    await saved(page)
    assert site.api("GET", "/workflows/arrows")["document"]["layout"]["nodes"]["first"]["y"] > 10
