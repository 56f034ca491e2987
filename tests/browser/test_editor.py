"""The editor with a mouse: a flow is drawn and run, wrong wires are refused with their reason, two tabs meet, nothing is lost."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect
from tests.browser.site import Site, Visitor

pytestmark = pytest.mark.anyio

CODE = "def main(input):\n    return {'n': 20}"
# replacing coloured text, Chromium keeps its look in a style attribute for a moment, which the policy refuses
STYLED = "Applying inline style"
TWICE = "def main(input):\n    return {'n': input * 2 + 2}"


def chain(name: str, size: int, **more: Any) -> dict[str, Any]:
    """A workflow of so many nodes, ten in a row, each after the one above it."""
    nodes = {f"n{n}": {"kind": "wait", "with": {"seconds": 0}} for n in range(size)}
    edges = [{"from": f"n{n}", "to": f"n{n + 10}"} for n in range(size - 10)]
    places = {f"n{n}": {"x": n // 10 * 290, "y": n % 10 * 120} for n in range(size)}
    return {"penstock": 1, "name": name, "nodes": nodes, "edges": edges, "layout": {"nodes": places}, **more}


PAIR: dict[str, Any] = {
    "penstock": 1,
    "name": "pair",
    "title": "A pair",
    "nodes": {
        "first": {"kind": "code", "with": {"source": CODE}},
        "second": {"kind": "code", "with": {"source": TWICE, "input": "${{ nodes.first.output.n }}"}},
    },
    "edges": [{"from": "first", "to": "second"}],
    "outputs": {"answer": "${{ nodes.second.output.n }}"},
    "layout": {"nodes": {"first": {"x": 0, "y": 0}, "second": {"x": 320, "y": 0}}},
}


def named(base: dict[str, Any], name: str) -> dict[str, Any]:
    return {**base, "name": name}


async def middle(of: Locator) -> tuple[float, float]:
    box = await of.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def drag(page: Page, start: Locator, end: Locator) -> None:
    """Draw something from one place to another, with some moves between as a hand does."""
    (x, y), (to_x, to_y) = await middle(start), await middle(end)
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move((x + to_x) / 2, (y + to_y) / 2, steps=4)
    await page.mouse.move(to_x, to_y, steps=4)
    await page.mouse.up()


def out(page: Page, name: str) -> Locator:
    return page.get_by_test_id(f"node-{name}").locator(".react-flow__handle-right")


def into(page: Page, name: str) -> Locator:
    return page.get_by_test_id(f"node-{name}").locator(".react-flow__handle-left")


async def rewrite(page: Page, text: Locator, written: str) -> None:
    """Put a text in the place of all that is written."""
    await text.click()
    await page.keyboard.press("Control+a")
    await page.keyboard.insert_text(written)


async def saved(page: Page) -> None:
    await expect(page.locator("[data-saving=saved]")).to_be_visible()


async def edit(visitor: Visitor, slug: str, page: Page | None = None) -> Page:
    page = await visitor.go(f"/workflows/{slug}/edit", page)
    await expect(page.get_by_test_id("canvas")).to_be_visible()
    return page


async def test_a_flow_is_drawn_with_the_mouse_and_run(visitor: Visitor, site: Site):
    page = await visitor.go("/workflows/new")
    await page.get_by_role("textbox", name="Title").fill("Drawn by hand")
    await expect(page.get_by_role("textbox", name="Name")).to_have_value("drawn-by-hand")
    await visitor.look("editor-new")
    await page.get_by_role("button", name="Create and edit").click()
    await expect(page).to_have_url(re.compile("/workflows/drawn-by-hand/edit$"))
    canvas = page.get_by_test_id("canvas")
    await expect(canvas.get_by_text("Nothing here yet")).to_be_visible()
    await visitor.look("editor-empty", whole=False)
    for kind, x, y in (("code", 180, 200), ("code", 440, 330), ("render", 300, 480)):
        await page.get_by_role("button", name=f"Add {kind}").drag_to(canvas, target_position={"x": x, "y": y})
    await drag(page, out(page, "code"), into(page, "code_2"))
    await drag(page, out(page, "code_2"), into(page, "render"))
    await page.get_by_test_id("node-code").click()
    await page.get_by_role("textbox", name="Source").fill(CODE)
    await page.get_by_test_id("node-code_2").click()
    await page.get_by_role("textbox", name="Source").fill(TWICE)
    await page.get_by_role("textbox", name="Input", exact=True).click()
    await page.keyboard.type("${{ nodes.code.output.n")
    await page.keyboard.press("Escape")
    await page.get_by_test_id("node-render").click()
    await page.get_by_role("textbox", name="Template").fill("It is ${{ nodes.code_2.output.n }}")
    await expect(page.get_by_text("No problems")).to_be_visible()
    await saved(page)
    document = site.api("GET", "/workflows/drawn-by-hand")["document"]
    assert [(edge["from"], edge["to"]) for edge in document["edges"]] == [("code", "code_2"), ("code_2", "render")]
    assert document["nodes"]["code_2"]["with"]["input"] == "${{ nodes.code.output.n}}"
    await visitor.look("editor-drawn", whole=False)
    await page.get_by_role("button", name="Run", exact=True).click()
    await page.get_by_role("button", name="Start a test run").click()
    await expect(page).to_have_url(re.compile(r"/runs/[\w-]+$"))
    await expect(page.locator("[data-status=completed]").first).to_be_visible()
    run = site.api("GET", f"/runs/{page.url.rpartition('/')[2]}?steps=9")
    assert {step["node"]: step["output"] for step in run["steps"]}["code_2"] == {"n": 42}


async def test_a_wrong_wire_is_refused_with_its_reason(visitor: Visitor, site: Site):
    site.apply(named(PAIR, "wires"))
    page = await edit(visitor, "wires")
    alert = page.get_by_role("alert")
    await drag(page, out(page, "second"), into(page, "second"))
    await expect(alert).to_contain_text("second cannot lead to itself")
    await drag(page, out(page, "first"), into(page, "second"))
    await expect(alert).to_contain_text("There is an edge from first to second already")
    await drag(page, out(page, "second"), into(page, "start"))
    await expect(alert).to_contain_text("Nothing leads to the start")
    await drag(page, out(page, "second"), into(page, "first"))
    await expect(alert).to_contain_text("first → second → first")
    await visitor.look("editor-refused", whole=False)
    assert len(site.api("GET", "/workflows/wires")["document"]["edges"]) == 1
    await page.get_by_role("button", name="Allow 3 visits").click()
    await saved(page)
    document = site.api("GET", "/workflows/wires")["document"]
    assert document["edges"][-1] == {"from": "second", "to": "first"}
    assert document["nodes"]["first"]["max_visits"] == 3


async def test_what_is_done_can_be_undone_and_done_again(visitor: Visitor, site: Site):
    site.apply(named(PAIR, "undo"))
    page = await edit(visitor, "undo")
    await page.get_by_test_id("node-second").click()
    await page.keyboard.press("Delete")
    await expect(page.get_by_test_id("node-second")).to_have_count(0)
    await page.keyboard.press("Control+z")
    await expect(page.get_by_test_id("node-second")).to_be_visible()
    await page.keyboard.press("Control+Shift+z")
    await expect(page.get_by_test_id("node-second")).to_have_count(0)
    await page.get_by_role("button", name="Undo").click()
    await page.get_by_test_id("node-first").click()
    before = await middle(page.get_by_test_id("node-first"))
    await page.mouse.move(*before)
    await page.mouse.down()
    await page.mouse.move(before[0] + 60, before[1] + 120, steps=5)
    await page.mouse.up()
    await saved(page)
    assert site.api("GET", "/workflows/undo")["document"]["layout"]["nodes"]["first"]["y"] > 20
    await page.keyboard.press("Control+z")
    await saved(page)
    assert site.api("GET", "/workflows/undo")["document"] == named(PAIR, "undo")


async def test_two_tabs_meet_and_nobody_loses_anything(visitor: Visitor, site: Site):
    site.apply(named(PAIR, "tabs"))
    visitor.expect_complaint("412")
    mine = await edit(visitor, "tabs")
    theirs = await visitor.tab()
    await theirs.set_viewport_size({"width": 1440, "height": 900})
    await edit(visitor, "tabs", theirs)
    await theirs.get_by_role("textbox", name="Title").fill("Their title")
    await saved(theirs)
    await mine.bring_to_front()
    await mine.get_by_role("textbox", name="Title").fill("My title")
    dialogue = mine.get_by_role("dialog")
    await expect(dialogue).to_contain_text("Somebody else changed this workflow meanwhile")
    await expect(dialogue.get_by_role("textbox", name="Theirs")).to_contain_text("Their title")
    await expect(dialogue.get_by_role("textbox", name="Mine")).to_contain_text("My title")
    await visitor.look("editor-conflict", mine, whole=False)
    await mine.reload()  # whoever closes the tab instead of deciding finds both sides again
    await expect(dialogue.get_by_role("textbox", name="Mine")).to_contain_text("My title")
    assert site.api("GET", "/workflows/tabs")["document"]["title"] == "Their title"
    await dialogue.get_by_role("button", name="Keep mine").click()
    await saved(mine)
    assert site.api("GET", "/workflows/tabs")["document"]["title"] == "My title"
    await theirs.bring_to_front()
    await theirs.get_by_role("textbox", name="Title").fill("Third title")
    dialogue = theirs.get_by_role("dialog")
    await dialogue.get_by_role("button", name="Take theirs").click()
    await expect(theirs.get_by_role("textbox", name="Title")).to_have_value("My title")
    await theirs.get_by_role("button", name="Undo").click()
    await expect(theirs.get_by_role("textbox", name="Title")).to_have_value("Third title")
    await saved(theirs)
    assert site.api("GET", "/workflows/tabs")["document"]["title"] == "Third title"


async def test_the_text_and_the_canvas_are_one(visitor: Visitor, site: Site):
    site.apply(named(PAIR, "text"))
    visitor.expect_complaint(STYLED)
    page = await edit(visitor, "text")
    await page.get_by_text("Both", exact=True).click()
    text = page.get_by_role("textbox", name="Workflow as YAML")
    await expect(text).to_contain_text("second:")
    written = "penstock: 1\nname: text\n# keep me\nnodes:\n  alone: {kind: wait, with: {seconds: 0}}\nedges: []\n"
    await rewrite(page, text, written)
    await expect(page.get_by_test_id("node-alone")).to_be_visible()
    await expect(page.get_by_test_id("node-first")).to_have_count(0)
    await page.get_by_role("button", name="Add code").click()
    await expect(text).to_contain_text("# keep me")
    await expect(text).to_contain_text("code:")
    await visitor.look("editor-both", whole=False)
    await rewrite(page, text, written + "  - {from: [")
    await expect(page.get_by_test_id("yaml").get_by_role("alert")).to_contain_text("Line")
    await expect(page.get_by_test_id("node-alone")).to_be_visible()
    await rewrite(page, text, written.replace("wait, with", "weight, with"))
    await expect(page.get_by_text("1 problem")).to_be_visible()
    await expect(page.locator(".cm-lint-marker-error")).to_be_visible()
    await page.get_by_text("1 problem").click()
    await page.get_by_role("list", name="Problems").get_by_role("button").click()
    await expect(page.get_by_role("region", name="Inspector")).to_contain_text("there is no kind of node 'weight'")
    await visitor.look("editor-problem", whole=False)


async def test_versions_are_published_compared_and_restored(visitor: Visitor, site: Site):
    site.apply(named(PAIR, "past"))
    page = await edit(visitor, "past")
    await page.get_by_role("button", name="Publish").click()
    await page.get_by_role("textbox", name="What is new").fill("The first of all")
    await page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    await expect(page.get_by_text("Version 1 of past is published")).to_be_visible()
    await page.get_by_test_id("node-second").click()
    await page.get_by_role("textbox", name="Source").fill(TWICE + " # more")
    await page.get_by_role("button", name="Add wait").click()
    await saved(page)
    await page.get_by_role("button", name="Publish").click()
    await page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    await expect(page.get_by_text("Version 2 of past is published")).to_be_visible()
    page = await visitor.go("/workflows/past/versions")
    await expect(page.get_by_role("cell", name="The first of all")).to_be_visible()
    await visitor.look("editor-versions")
    await page.get_by_role("checkbox", name="Compare version 1").check()
    await page.get_by_role("checkbox", name="Compare version 2").check()
    await page.get_by_role("button", name="Compare the two").click()
    await expect(page).to_have_url(re.compile(r"/compare\?from=1&to=2$"))
    differs = page.get_by_role("region", name="What differs")
    await expect(differs).to_contain_text("Addedwait")
    await expect(differs).to_contain_text("Changedsecond")
    await expect(page.get_by_test_id("difference").locator("[data-verdict=changed]").first).to_be_visible()
    await visitor.look("editor-compare")
    await page.get_by_text("Text", exact=True).click()
    await expect(page.get_by_role("textbox", name="Version 2")).to_contain_text("# more")
    await visitor.look("editor-compare-text")
    page = await visitor.go("/workflows/past/versions")
    await page.get_by_role("button", name="Restore version 1").click()
    await page.get_by_role("dialog").get_by_role("button", name="Restore").click()
    await expect(page.get_by_text("Version 1 is the draft again")).to_be_visible()
    assert "wait" not in site.api("GET", "/workflows/past")["document"]["nodes"]


async def test_one_of_three_hundred_nodes_is_dragged(visitor: Visitor, site: Site):
    """`make bench` measures how smoothly."""
    site.apply(chain("crowd", 300))
    page = await edit(visitor, "crowd")
    node = page.get_by_test_id("node-n4")
    await expect(node).to_be_visible()
    x, y = await middle(node)
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x + 80, y + 45, steps=20)
    await page.mouse.up()
    moved = await middle(node)
    assert moved[0] > x + 20 and moved[1] > y + 10
    await saved(page)
    await visitor.look("editor-crowd", whole=False)


async def test_a_field_is_completed_from_the_last_run_and_wrong_ones_say_so(visitor: Visitor, site: Site):
    site.apply(named(PAIR, "complete"))
    visitor.expect_complaint(STYLED)
    assert site.run("complete")["status"] == "completed"
    page = await edit(visitor, "complete")
    await page.get_by_test_id("node-second").click()
    field = page.get_by_role("textbox", name="Input", exact=True)
    await rewrite(page, field, "")
    await page.keyboard.type("${{ nodes.first.output.")
    option = page.locator(".cm-tooltip-autocomplete li").filter(has_text="20")  # what it was in the last run
    await expect(option).to_contain_text("n")
    await page.screenshot(path=visitor.shots / "editor-completion.png")
    await option.click()
    await expect(field).to_contain_text("nodes.first.output.n")
    await rewrite(page, field, "${{ nodes.nobody.output }}")
    await expect(page.locator(".cm-lintRange-error")).to_be_visible()
    await expect(page.get_by_text("1 problem")).to_be_visible()
    await expect(page.locator('[data-pointer="/nodes/complete/with/input"]')).to_have_count(0)
    await expect(page.locator('[data-pointer="/nodes/second/with/input"]')).to_contain_text("there is no node 'nobody'")


async def test_every_kind_and_the_whole_workflow_can_be_set_here(visitor: Visitor, site: Site):
    site.apply(named(PAIR, "settings"))
    page = await edit(visitor, "settings")
    await page.get_by_role("textbox", name="Name of a new input").fill("who")
    await page.keyboard.press("Enter")
    await page.get_by_role("group", name="Input who").get_by_role("switch", name="Required").check(force=True)
    await page.get_by_role("textbox", name="Default of who").fill("Ada")
    for kind in [one["name"] for one in site.api("GET", "/kinds")["items"]]:
        await page.get_by_role("button", name=f"Add {kind}", exact=True).click()
        await expect(page.get_by_role("textbox", name="Node name")).to_have_value(kind)
        await visitor.check_axe(page, kind)
    await page.locator("[data-row=first]").click()
    await page.get_by_text("How it runs").click()
    await page.get_by_role("textbox", name="Attempts").fill("3")
    await page.get_by_role("textbox", name="Time-out of an attempt").fill("30s")
    await visitor.look("editor-runs", whole=False)
    await page.get_by_role("button", name="to second", exact=True).click()
    await page.get_by_role("textbox", name="When").click()
    await page.keyboard.type("nodes.first.output.n > 3")
    await page.get_by_text("A person approves").click()
    await page.get_by_role("textbox", name="Question").fill("Go on?")
    await visitor.look("editor-edge", whole=False)
    await saved(page)
    document = site.api("GET", "/workflows/settings")["document"]
    assert document["inputs"] == {
        "type": "object",
        "required": ["who"],
        "properties": {"who": {"type": "string", "default": "Ada"}},
    }
    assert document["nodes"]["first"]["retry"] == {"attempts": 3}
    assert document["nodes"]["first"]["timeout"] == "30s"
    edge = {"from": "first", "to": "second", "when": "nodes.first.output.n > 3", "gate": "Go on?"}
    assert document["edges"] == [edge]
