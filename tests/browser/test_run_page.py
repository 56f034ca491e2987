"""The page of a run: everything that can be seen of one, and done with it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.async_api import Locator, expect
from tests.browser.runs import until
from tests.browser.site import Site, Visitor

pytestmark = pytest.mark.anyio

GRAPH = {
    "nodes": [
        {"id": name, "label": f"{name}.py", "kind": kind}
        for name, kind in (("a", "module"), ("b", "class"), ("c", "module"))
    ],
    "edges": [{"source": "a", "target": "b", "label": "defines"}, {"source": "a", "target": "c", "label": "imports"}],
}
DIFF = "--- a/app.py\n+++ b/app.py\n@@ -1,2 +1,2 @@\n-print('hi')\n+print('hello')\n done()\n"
TABLE = "name,score\n" + "\n".join(f"item {n},{n}" for n in range(300))
NOTES = "# Notes on ${{ inputs.word }}\n\n| word | means |\n|---|---|\n| penstock | channel |\n\n```\ncode\n```\n"


def render(name: str, template: str) -> dict[str, Any]:
    return {"kind": "render", "with": {"name": name, "template": template}}


TOUR = {
    "penstock": 1,
    "name": "tour",
    "title": "Explain a word",
    "inputs": {"type": "object", "properties": {"word": {"type": "string", "default": "penstock"}}},
    "nodes": {
        "think": {
            "kind": "agent",
            "with": {
                "role": "Lexicographer",
                "goal": "explain words",
                "instructions": "Explain ${{ inputs.word }}.",
                "input": {"word": "${{ inputs.word }}"},
                "model": "scripted:",
                "script": [
                    {"say": "Let me look.", "call": {"lookup": {"word": "penstock"}}},
                    "It is **a gated channel**.",
                ],
            },
        },
        "each": {
            "kind": "code",
            "for_each": "${{ range(6) }}",
            "on_error": "continue",
            "with": {
                "input": "${{ item }}",
                "source": "def main(input):\n    assert input != 4, 'four is broken'\n    return input * 2",
            },
        },
        "notes": render("notes.md", NOTES),
        "graph": render("graph.json", json.dumps(GRAPH)),
        "diff": render("change.diff", DIFF),
        "table": render("scores.csv", TABLE),
        "review": {
            "kind": "human",
            "with": {
                "title": "Is this explanation right?",
                "message": "The model says: ${{ nodes.think.output.text }}",
                "comment": "on_reject",
                "fields": {
                    "type": "object",
                    "required": ["stars"],
                    "properties": {
                        "stars": {"type": "integer", "title": "Stars", "minimum": 1, "maximum": 5},
                        "tone": {"type": "string", "title": "Tone", "enum": ["plain", "formal"], "default": "plain"},
                    },
                },
            },
        },
        "done": render("answer.md", "# Done\n"),
        "never": render("never.md", "never"),
    },
    "edges": [
        {"from": "think", "to": "each"},
        *({"from": "think", "to": name} for name in ("notes", "graph", "diff", "table")),
        *({"from": name, "to": "review"} for name in ("each", "notes", "graph", "diff", "table")),
        {"from": "review", "to": "done", "when": "${{ nodes.review.output.decision == 'approve' }}"},
        {"from": "review", "to": "never", "when": "${{ nodes.review.output.decision == 'reject' }}"},
    ],
    "outputs": {"text": "${{ nodes.think.output.text }}", "stars": "${{ nodes.review.output.fields.stars }}"},
}
BROKEN = {
    "penstock": 1,
    "name": "broken",
    "inputs": {"type": "object", "properties": {"n": {"type": "integer", "default": 0}}},
    "nodes": {
        "divide": {
            "kind": "code",
            "on_error": "pause",
            "with": {"input": "${{ inputs.n }}", "source": "def main(input):\n    return 12 // input"},
        }
    },
    "outputs": {"result": "${{ nodes.divide.output }}"},
}
FAILS = {**BROKEN, "name": "fails", "nodes": {"divide": {**BROKEN["nodes"]["divide"], "on_error": "fail"}}}


async def asking(site: Site) -> str:
    """A tour that waits for its person."""
    site.apply(TOUR)
    run = site.run("tour", wait=0)["run_id"]
    until(site, run, "waiting")
    return run


@pytest.fixture
async def finished(site: Site) -> str:
    run = await asking(site)
    [approval] = [one for one in site.api("GET", "/approvals")["items"] if one["run_id"] == run]
    site.api("POST", f"/approvals/{approval['id']}", {"decision": "approve", "fields": {"stars": 5}}, Prefer="wait=20")
    return run


async def write(editor: Locator, text: str) -> None:
    """Text in place of what the editor holds, by the keyboard."""
    await editor.click()
    await editor.press("Control+a")
    await editor.press("Delete")
    await editor.page.keyboard.insert_text(text)


async def test_a_question_is_answered_in_place(visitor: Visitor, site: Site):
    run = await asking(site)
    page = await visitor.go(f"/runs/{run}")
    question = page.get_by_role("region", name="Is this explanation right?")
    await expect(question.locator("strong")).to_have_text("a gated channel")
    await visitor.look("run-question")
    await question.get_by_role("button", name="Reject").click()
    await expect(question.get_by_text("Say why")).to_be_visible()
    await expect(question.get_by_label("Why (needed to reject)")).to_be_focused()
    await question.get_by_role("button", name="Approve").click()
    await expect(question.get_by_text("is missing")).to_be_visible()
    await expect(question.get_by_label("Stars")).to_be_focused()
    await question.get_by_label("Stars").fill("4")
    await question.get_by_role("button", name="Approve").click()
    await expect(question).to_have_count(0)
    await expect(page.get_by_role("banner").or_(page.locator("header")).get_by_text("Completed").first).to_be_visible()
    assert site.api("GET", f"/runs/{run}")["outputs"]["stars"] == 4


async def test_every_tab_shows_the_run_and_has_an_address(visitor: Visitor, finished: str):
    page = await visitor.go(f"/runs/{finished}")
    rows = page.get_by_role("treeitem")
    await expect(rows.filter(has_text="think").first).to_be_visible()
    await visitor.look("run-timeline")
    for tab, sign in (
        ("Graph", page.get_by_test_id("run-graph").get_by_text("Skipped")),
        ("Journal", page.get_by_role("listitem").filter(has_text="run.created")),
        ("Artifacts", page.get_by_role("heading", name="Notes on penstock")),
        ("Logs", page.get_by_role("region", name="Log").get_by_text("created: tour version 1")),
        ("Result", page.get_by_role("region", name="Outputs of the run")),
    ):
        await page.get_by_role("tab", name=re.compile(f"^{tab}")).click()
        await expect(sign.first).to_be_visible()
        assert f"tab={tab.lower()}" in page.url
        await visitor.look(f"run-{tab.lower()}")
        await page.reload()
        await expect(sign.first).to_be_visible()


async def test_artifacts_are_shown_as_what_they_are(visitor: Visitor, finished: str):
    page = await visitor.go(f"/runs/{finished}?tab=artifacts")
    names = page.get_by_role("navigation", name="Artifacts")
    for name, sign in (
        ("graph.json", page.get_by_test_id("knowledge-graph")),
        ("scores.csv", page.get_by_role("columnheader", name="score")),
        ("change.diff", page.get_by_text("+1 added")),
        ("trace.json", page.get_by_role("region", name="trace.json")),
        ("logs.txt", page.get_by_role("region", name="logs.txt")),
    ):
        await names.get_by_role("button", name=name).click()
        await expect(sign.first).to_be_visible()
        await visitor.look(f"run-artifact-{name.partition('.')[0]}")
    await names.get_by_role("button", name="graph.json").click()
    await page.get_by_role("button", name="a.py module").click()
    await expect(page.get_by_role("button", name="imports → c.py")).to_be_visible()
    async with page.expect_download() as saved:
        await page.get_by_role("link", name="Download").click()
    assert json.loads((await (await saved.value).path()).read_text()) == GRAPH


async def test_a_step_tells_its_whole_story(visitor: Visitor, finished: str):
    page = await visitor.go(f"/runs/{finished}?step=think%231")
    panel = page.get_by_role("complementary", name="Step think#1")
    await expect(panel.get_by_text("You are Lexicographer.")).to_be_visible()
    await expect(panel.get_by_text("a script: no model was asked").first).to_be_visible()
    await expect(panel.get_by_role("article").filter(has_text="lookup").last).to_be_visible()
    await visitor.look("run-step-talk")
    for part, sign in (("About", "Attempts"), ("Input", "Lexicographer"), ("Output", "text"), ("Calls", "model:1")):
        await panel.get_by_role("tab", name=part).click()
        await expect(panel.get_by_text(sign).first).to_be_visible()
        await visitor.look(f"run-step-{part.lower()}")
    await page.reload()
    await expect(page.get_by_role("tab", name="Calls")).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("complementary", name="Step think#1")).to_have_count(0)
    assert "step=" not in page.url


async def test_the_timeline_is_walked_and_zoomed_with_the_keyboard(visitor: Visitor, finished: str):
    page = await visitor.go(f"/runs/{finished}")
    tree = page.get_by_role("tree")
    row = tree.get_by_role("treeitem")
    await row.first.focus()
    await page.keyboard.press("ArrowLeft")
    await expect(row.first).to_have_attribute("aria-expanded", "false")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowDown")
    await expect(row.nth(1)).to_be_focused()
    await page.keyboard.press("+")
    await page.keyboard.press("]")
    await expect(page).to_have_url(re.compile("zoom="))
    await page.keyboard.press("0")
    await expect(page).not_to_have_url(re.compile("zoom="))
    await page.keyboard.press("End")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("complementary")).to_be_visible()
    await page.get_by_role("slider", name="Beginning of the piece").focus()
    await page.keyboard.press("PageUp")
    await expect(page).to_have_url(re.compile("zoom="))
    zoomed = page.url
    await page.reload()
    assert page.url == zoomed
    await expect(page.get_by_role("button", name="Show the whole run")).to_be_enabled()


async def test_a_piece_of_time_is_drawn_with_the_mouse(visitor: Visitor, finished: str):
    page = await visitor.go(f"/runs/{finished}")
    box = await page.get_by_role("slider", name="Beginning of the piece").locator("..").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    await page.mouse.move(box["x"] + box["width"] * 0.25, y)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.5, y, steps=5)
    await page.mouse.up()
    await expect(page).to_have_url(re.compile("zoom="))
    await page.mouse.dblclick(box["x"] + box["width"] * 0.5, y)
    await expect(page).not_to_have_url(re.compile("zoom="))


async def test_the_journal_is_filtered_linked_and_forked_from(visitor: Visitor, site: Site, finished: str):
    page = await visitor.go(f"/runs/{finished}?tab=journal")
    rows = page.get_by_role("listitem")
    await page.get_by_label("Search in all events").fill("explanation right")
    await expect(rows.filter(has_text="step.waiting")).to_be_visible()
    await expect(rows.filter(has_text="run.created")).to_have_count(0)
    await page.get_by_label("Search in all events").fill("")
    waiting = next(e for e in site.api("GET", f"/runs/{finished}/events")["events"] if e["kind"] == "step.waiting")
    page = await visitor.go(f"/runs/{finished}?tab=journal&seq={waiting['seq']}")
    row = rows.filter(has=page.get_by_role("button", name="Fork from here"))
    await expect(row).to_contain_text("step.waiting")
    await visitor.look("run-journal-event")
    await row.get_by_role("button", name="Fork from here").click()
    await page.get_by_role("dialog").get_by_role("button", name="Fork", exact=True).click()
    await expect(page).not_to_have_url(re.compile(finished))
    await expect(page.get_by_role("link", name=f"event {waiting['seq']}")).to_be_visible()
    await expect(page.get_by_role("region", name="Is this explanation right?")).to_be_visible()


async def test_what_is_paused_is_mended_and_goes_on(visitor: Visitor, site: Site):
    site.apply(BROKEN)
    run = site.run("broken", wait=0)["run_id"]
    until(site, run, "paused")
    page = await visitor.go(f"/runs/{run}")
    await expect(page.get_by_role("alert").filter(has_text="somebody mends this")).to_be_visible()
    await page.get_by_role("button", name="See divide#1").click()
    await visitor.look("run-paused")
    await page.get_by_role("button", name="Resume with another input").click()
    editor = page.get_by_role("dialog").get_by_role("textbox", name="Its input, as JSON")
    await expect(editor).to_be_visible()
    await visitor.look("run-edit", whole=False)
    step = site.api("GET", f"/runs/{run}")["steps"][0]["input"]
    await write(editor, json.dumps({**step, "input": 3}))
    await page.get_by_role("dialog").get_by_role("button", name="Resume", exact=True).click()
    await expect(page.locator("header [data-status=completed]").first).to_be_visible()
    assert site.api("GET", f"/runs/{run}")["outputs"] == {"result": 4}


async def test_what_failed_says_why_and_is_run_again_with_other_inputs(visitor: Visitor, site: Site):
    site.apply(FAILS)
    run = site.run("fails")["run_id"]
    page = await visitor.go(f"/runs/{run}")
    await expect(page.get_by_role("alert").filter(has_text="It failed")).to_be_visible()
    await visitor.look("run-failed")
    await page.get_by_role("button", name="More actions").click()
    await page.get_by_role("menuitem", name="Run again with other inputs").click()
    await write(page.get_by_role("dialog").get_by_role("textbox", name="Inputs, as JSON"), '{"n": 4}')
    await page.get_by_role("dialog").get_by_role("button", name="Run", exact=True).click()
    await expect(page).not_to_have_url(re.compile(run))
    await expect(page.locator("header [data-status=completed]").first).to_be_visible()


async def test_a_run_is_paused_resumed_and_cancelled(visitor: Visitor, site: Site):
    run = await asking(site)
    page = await visitor.go(f"/runs/{run}")
    await page.get_by_role("button", name="Pause").click()
    await page.get_by_role("button", name="Resume").click()
    await page.get_by_role("button", name="Cancel", exact=True).click()
    await page.get_by_role("dialog").get_by_label("Why").fill("not needed")
    await visitor.look("run-cancel", whole=False)
    await page.get_by_role("dialog").get_by_role("button", name="Cancel the run").click()
    await expect(page.locator("header [data-status=cancelled]").first).to_be_visible()
    assert site.api("GET", f"/runs/{run}")["error"]["message"] == "not needed"


async def test_a_run_that_is_not_there_says_so(visitor: Visitor):
    visitor.expect_complaint("404")
    page = visitor.page
    await page.goto(f"{visitor.site.url}/runs/run_nowhere")
    await expect(page.get_by_role("heading", name="There is no such run")).to_be_visible()
