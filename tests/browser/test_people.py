"""What people decide and mend: the inbox, and the dead letters."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.async_api import Page, expect
from tests.browser.runs import until
from tests.browser.site import Site, Visitor

pytestmark = pytest.mark.anyio


def asking(name: str, title: str, **more: Any) -> dict[str, Any]:
    """A workflow that asks one question and tells what was decided."""
    return {
        "penstock": 1,
        "name": name,
        "nodes": {
            "ask": {"kind": "human", "with": {"title": title, **more}},
            "note": {"kind": "render", "with": {"name": "said.txt", "template": "${{ nodes.ask.output.decision }}"}},
        },
        "edges": [{"from": "ask", "to": "note"}],
        "outputs": {"said": "${{ nodes.ask.output }}"},
    }


RELEASE = asking(
    "release",
    "Release version 2?",
    message="The tests have passed.\n\n- 212 files\n- no finding is **open**",
    comment="on_reject",
    seconds=86_400,
    on_timeout="reject",
    fields={
        "type": "object",
        "required": ["stage"],
        "properties": {"stage": {"type": "string", "title": "Stage", "enum": ["beta", "stable"]}},
    },
)
NAME = asking("naming", "Which name shall it have?", choices=["brook", "river"], comment="required")
DIVIDE = {"kind": "code", "with": {"input": "${{ inputs.n }}", "source": "def main(input):\n    return 12 // input"}}
FAILS = {
    "penstock": 1,
    "name": "fails",
    "inputs": {"type": "object", "properties": {"n": {"type": "integer", "default": 0}}},
    "nodes": {"divide": DIVIDE},
    "outputs": {"result": "${{ nodes.divide.output }}"},
}
PAUSES = {**FAILS, "name": "pauses", "nodes": {"divide": {**DIVIDE, "on_error": "pause"}}}


def waiting(site: Site, document: dict[str, Any], status: str = "waiting") -> str:
    """A run that has come to its question, or to its error."""
    site.apply(document)
    run = site.run(document["name"], wait=0)["run_id"]
    until(site, run, status)
    return run


@pytest.fixture(autouse=True)
async def _alone(site: Site) -> None:
    """Each test begins with nothing that waits for a person."""
    for status in ("waiting", "paused"):
        for one in site.api("GET", f"/runs?status={status}")["items"]:
            site.api("POST", f"/runs/{one['run_id']}/cancel", {})
            until(site, one["run_id"], "cancelled")


async def put_json(page: Page, text: str) -> None:
    editor = page.get_by_label("Input", exact=True)
    await editor.click()
    await page.keyboard.press("Control+a")
    await page.keyboard.press("Backspace")  # what is typed over coloured text the browser would colour itself
    await page.keyboard.insert_text(text)


async def test_an_empty_inbox_says_what_will_come(visitor: Visitor):
    page = await visitor.go("/inbox")
    await expect(page.get_by_role("heading", name="Nobody waits for you")).to_be_visible()
    await visitor.look("inbox-empty")


async def test_a_question_is_answered_and_its_run_goes_on(visitor: Visitor, site: Site):
    run = waiting(site, RELEASE)
    waiting(site, NAME)
    page = await visitor.go("/inbox")
    questions = page.get_by_role("navigation", name="Questions")
    await expect(questions.get_by_role("listitem")).to_have_count(2)
    await expect(questions.get_by_role("listitem").first).to_contain_text("Release version 2?")
    await expect(page.get_by_role("link", name="Inbox 2 open")).to_be_visible()
    card = page.get_by_role("region", name="Release version 2?")
    await expect(card).to_contain_text("the answer is “reject”")
    await visitor.look("inbox")
    await card.get_by_role("button", name="Approve").click()
    await expect(card.get_by_text("is missing")).to_be_visible()
    await visitor.look("inbox-missing")
    await card.get_by_role("radio", name="beta").check()
    await card.get_by_role("button", name="Approve").click()
    await expect(page.get_by_text("You answered “Release version 2?” with approve")).to_be_visible()
    await expect(questions.get_by_role("listitem")).to_have_count(1)
    await visitor.look("inbox-answered")
    until(site, run, "completed")
    said = site.api("GET", f"/runs/{run}")["outputs"]["said"]
    assert (said["decision"], said["fields"]) == ("approve", {"stage": "beta"})
    await page.get_by_role("link", name="See the run go on").click()
    await expect(page).to_have_url(re.compile(f"/runs/{run}$"))


async def test_the_inbox_is_worked_through_by_keyboard(visitor: Visitor, site: Site):
    first, second = waiting(site, NAME), waiting(site, NAME)
    page = await visitor.go("/inbox")
    rows = page.get_by_role("navigation", name="Questions").get_by_role("listitem").get_by_role("button")
    await expect(rows).to_have_count(2)
    await page.keyboard.press("j")
    await expect(rows.nth(1)).to_be_focused()
    await expect(rows.nth(1)).to_have_attribute("aria-current", "true")
    await page.keyboard.press("k")
    await expect(rows.nth(0)).to_be_focused()
    await page.keyboard.press("Enter")
    why = page.get_by_role("textbox", name="Why")
    await expect(why).to_be_focused()
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_text("Say why, for those who read it later")).to_be_visible()
    await page.keyboard.type("it is shorter")
    await page.keyboard.press("Escape")
    await expect(rows.nth(0)).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Control+Enter")
    await expect(rows).to_have_count(1)
    until(site, first, "completed")
    said = site.api("GET", f"/runs/{first}")["outputs"]["said"]
    assert (said["decision"], said["comment"]) == ("brook", "it is shorter")
    site.api("POST", f"/runs/{second}/cancel", {})
    await expect(page.get_by_role("heading", name="This question is open no more")).to_be_visible()


async def test_who_was_faster_is_told_to_the_other(visitor: Visitor, site: Site):
    run = waiting(site, NAME)
    page = await visitor.go("/inbox")
    await page.get_by_role("button", name=re.compile("Which name")).click()
    [approval] = [one for one in site.api("GET", "/approvals")["items"] if one["run_id"] == run]
    site.api("POST", f"/approvals/{approval['id']}", {"decision": "river", "comment": "it flows"})
    await expect(page.get_by_role("heading", name=re.compile("answered: river$"))).to_be_visible()
    await expect(page.get_by_text("it flows")).to_be_visible()
    await visitor.look("inbox-decided")


async def test_questions_come_by_themselves_and_fit_a_telephone(visitor: Visitor, site: Site):
    page = await visitor.go("/inbox")
    await page.set_viewport_size({"width": 390, "height": 844})
    await expect(page.get_by_role("heading", name="Nobody waits for you")).to_be_visible()
    waiting(site, NAME)
    row = page.get_by_role("button", name=re.compile("Which name"))
    await row.click()
    await expect(row).to_be_hidden()
    await expect(page.get_by_role("textbox", name="Why")).to_be_visible()
    await visitor.look("inbox-open")
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.get_by_role("button", name="Questions").click()
    await expect(row).to_be_visible()


async def test_no_dead_letter_is_good_news(visitor: Visitor):
    page = await visitor.go("/dead-letters")
    await expect(page.get_by_role("heading", name="Nothing failed for good")).to_be_visible()
    await visitor.look("letters-empty")


async def test_a_failed_step_is_sent_again_with_another_input(visitor: Visitor, site: Site):
    run = waiting(site, PAUSES, "paused")
    page = await visitor.go("/dead-letters")
    await page.get_by_role("button", name=re.compile("pauses")).click()
    await expect(page.get_by_role("paragraph").filter(has_text="division")).to_be_visible()
    await expect(page.get_by_role("link", name=re.compile(r"See event \d+ of its run"))).to_be_visible()
    await expect(page.get_by_label("Input", exact=True)).to_contain_text("0")
    await visitor.look("letters")
    await put_json(page, "no JSON")
    await expect(page.get_by_role("button", name="Redrive")).to_be_disabled()
    await visitor.look("letters-no-json")
    await put_json(page, json.dumps({**DIVIDE["with"], "input": 4}))
    await page.get_by_role("button", name="Redrive with this input").click()
    until(site, run, "completed")
    assert site.api("GET", f"/runs/{run}")["outputs"]["result"] == 3
    await expect(page.get_by_role("button", name=re.compile("pauses"))).to_have_count(0)


async def test_a_failed_run_goes_on_as_a_new_one_and_shows_where_it_failed(visitor: Visitor, site: Site):
    site.apply(FAILS)
    run = site.run("fails")["run_id"]
    [letter] = [one for one in site.api("GET", "/dead-letters")["items"] if one["run_id"] == run]
    page = await visitor.go(f"/dead-letters?id={letter['id']}")
    link = page.get_by_role("link", name=re.compile(r"See event \d+ of its run"))
    seq = int("".join(filter(str.isdigit, await link.inner_text())))
    failure = site.api("GET", f"/runs/{run}/events?after={seq - 1}&limit=1")["events"][0]
    assert (failure["kind"], failure["data"]["step"]) == ("step.failed", "divide#1")
    await put_json(page, json.dumps({**DIVIDE["with"], "input": 6}))
    await page.keyboard.press("Control+Enter")
    await page.get_by_role("link", name=re.compile("See the new run")).click()
    await expect(page).to_have_url(re.compile(r"/runs/[\w-]+$"))
    fork = page.url.rpartition("/")[2]
    assert fork != run
    until(site, fork, "completed")
    assert site.api("GET", f"/runs/{fork}")["outputs"]["result"] == 2


async def test_letters_are_sent_again_together(visitor: Visitor, site: Site):
    runs = {waiting(site, PAUSES, "paused") for _ in range(2)}
    heads = {run: site.api("GET", f"/runs/{run}?steps=0")["head"] for run in runs}
    page = await visitor.go("/dead-letters")
    for run in runs:
        await page.get_by_role("checkbox", name=f"Choose pauses divide#1 of {run}").check()
    await visitor.look("letters-chosen")
    await page.get_by_role("button", name="Redrive 2").click()
    await expect(page.locator("#announcements")).to_contain_text("2 of 2 sent again")
    for run in runs:
        events = site.api("GET", f"/runs/{run}/events?after={heads[run]}")["events"]
        assert "run.resumed" in [one["kind"] for one in events]
        until(site, run, "paused")  # it fails again: nothing was changed
