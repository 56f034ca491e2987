"""The form that starts a run: every shape a JSON Schema can ask for, what is wrong at its field, and what it would cost."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import expect
from tests.browser.site import Site, Visitor

pytestmark = pytest.mark.anyio

EVERYTHING: dict[str, Any] = {
    "penstock": 1,
    "name": "everything",
    "title": "Ask for everything",
    "description": "One field of each kind.",
    "limits": {"usd": 0.5, "seconds": "10m"},
    "inputs": {
        "type": "object",
        "required": ["name", "size", "address", "credentials"],
        "properties": {
            "name": {"type": "string", "title": "Name", "minLength": 2, "description": "At least two letters."},
            "notes": {"type": "string", "format": "textarea", "title": "Notes"},
            "count": {"type": "integer", "minimum": 1, "maximum": 10, "default": 3, "title": "Count"},
            "share": {"type": "number", "exclusiveMaximum": 1, "title": "Share"},
            "urgent": {"type": "boolean", "default": False, "title": "Urgent"},
            "size": {"enum": ["small", "large"], "title": "Size"},
            "colour": {"enum": ["red", "green", "blue", "cyan", "pink", "grey"], "title": "Colour"},
            "due": {"type": "string", "format": "date", "title": "Due"},
            "mail": {"type": "string", "format": "email", "title": "Mail"},
            "credentials": {"type": "string", "format": "secret", "title": "Credentials"},
            "picture": {"type": "string", "contentEncoding": "base64", "title": "Picture"},
            "words": {"type": "array", "items": {"type": "string"}, "title": "Words"},
            "days": {
                "type": "array",
                "uniqueItems": True,
                "items": {"enum": ["Mon", "Tue", "Wed"]},
                "title": "Days",
            },
            "people": {
                "type": "array",
                "title": "People",
                "items": {
                    "type": "object",
                    "required": ["first"],
                    "properties": {
                        "first": {"type": "string", "title": "First name"},
                        "age": {"type": "integer", "title": "Age", "minimum": 0},
                    },
                },
            },
            "address": {
                "type": "object",
                "title": "Address",
                "required": ["city"],
                "properties": {"city": {"type": "string", "title": "City"}, "zip": {"type": "string", "title": "Zip"}},
            },
            "labels": {"type": "object", "title": "Labels", "additionalProperties": {"type": "string"}},
            "either": {
                "title": "Either",
                "oneOf": [{"type": "string", "title": "A word"}, {"type": "integer", "title": "A number"}],
            },
            "anything": {"title": "Anything"},
        },
    },
    "nodes": {
        "echo": {"kind": "render", "with": {"name": "all.json", "mime": "application/json", "value": "${{ inputs }}"}}
    },
}
NEEDY: dict[str, Any] = {
    "penstock": 1,
    "name": "needy",
    "title": "Needs a secret",
    "nodes": {"ask": {"kind": "http", "with": {"url": "http://127.0.0.1:1/", "auth_secret": "not-there"}}},
}


async def test_every_type_is_filled_in_and_arrives(visitor: Visitor, site: Site):
    site.apply(EVERYTHING)
    site.api("PUT", "/secrets/crm-key", {"value": "hidden"})
    page = await visitor.go("/workflows/everything/run")
    await expect(page.get_by_role("textbox", name="Count")).to_have_value("3")
    await visitor.look("form-empty")
    await page.get_by_role("textbox", name="Name", exact=True).fill("Ada")
    await page.get_by_role("textbox", name="Notes").fill("two\nlines")
    await page.get_by_role("textbox", name="Share").fill("0.25")
    await page.get_by_role("switch", name="Urgent").check(force=True)
    await page.get_by_role("radio", name="large").check()
    await page.get_by_role("combobox", name="Colour").click()
    await page.get_by_role("option", name="cyan").click()
    await page.get_by_label("Due").fill("2030-02-01")
    await page.get_by_role("textbox", name="Mail").fill("ada@example.org")
    await page.get_by_role("combobox", name="Credentials").click()
    await page.get_by_role("option", name="crm-key").click()
    await page.locator("input[type=file]").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": b"\x00\x01"}
    )
    await page.get_by_role("combobox", name="Words").fill("one")
    await page.keyboard.press("Enter")
    await page.keyboard.type("two")
    await page.keyboard.press("Enter")
    await page.get_by_role("checkbox", name="Tue").check()
    people = page.get_by_role("group", name="People", exact=True)
    await people.get_by_role("button", name="Add an entry").click()
    await people.get_by_role("textbox", name="First name").fill("Grace")
    await people.get_by_role("textbox", name="Age").fill("37")
    await page.get_by_role("textbox", name="City").fill("London")
    labels = page.get_by_role("group", name="Labels", exact=True)
    await labels.get_by_role("textbox", name="A new name in Labels").fill("team")
    await page.keyboard.press("Enter")
    await labels.get_by_role("textbox", name="team").fill("engines")
    await page.get_by_role("radiogroup", name="Shape of Either").get_by_text("A number").click()
    await page.get_by_role("textbox", name="A number").fill("7")
    await page.get_by_role("textbox", name="Anything").fill('{"deep": [1, null]}')
    await visitor.look("form-filled")
    await expect(page.get_by_label("the command", exact=True)).to_contain_text(
        "penstock run everything --mode test_run --inputs -"
    )
    await page.get_by_role("tab", name="curl").click()
    await expect(page.get_by_label("the curl command", exact=True)).to_contain_text("Idempotency-Key")
    await page.keyboard.press("Control+Enter")
    await expect(page).to_have_url(re.compile(r"/runs/[\w-]+$"))
    inputs = site.api("GET", f"/runs/{page.url.rpartition('/')[2]}")["inputs"]
    assert inputs == {
        "name": "Ada",
        "notes": "two\nlines",
        "count": 3,
        "share": 0.25,
        "urgent": True,
        "size": "large",
        "colour": "cyan",
        "due": "2030-02-01",
        "mail": "ada@example.org",
        "credentials": "crm-key",
        "picture": "AAE=",
        "words": ["one", "two"],
        "days": ["Tue"],
        "people": [{"first": "Grace", "age": 37}],
        "address": {"city": "London"},
        "labels": {"team": "engines"},
        "either": 7,
        "anything": {"deep": [1, None]},
    }


async def test_what_is_wrong_stands_at_its_field_before_anything_is_sent(visitor: Visitor, site: Site):
    site.apply(EVERYTHING)
    before = len(site.api("GET", "/runs?workflow=everything")["items"])
    page = await visitor.go("/workflows/everything/run")
    await page.get_by_role("textbox", name="Name", exact=True).fill("A")
    await page.get_by_role("textbox", name="Count").fill("30")
    await page.get_by_role("button", name="Start a test run").click()
    name = page.get_by_role("textbox", name="Name", exact=True)
    await expect(name).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_text("must have at least 2 characters")).to_be_visible()
    await expect(page.get_by_text("must be at most 10")).to_be_visible()
    await visitor.look("form-wrong")
    assert len(site.api("GET", "/runs?workflow=everything")["items"]) == before


async def test_what_the_server_finds_wrong_stands_at_its_field_too(visitor: Visitor, site: Site):
    """A pattern that this side cannot read is for the server to judge."""
    site.apply(
        {
            **EVERYTHING,
            "name": "strict",
            "inputs": {
                "type": "object",
                "required": ["ip"],
                "properties": {"ip": {"type": "string", "format": "ipv4", "title": "Address"}},
            },
        }
    )
    page = await visitor.go("/workflows/strict/run")
    visitor.expect_complaint("422")
    await page.get_by_role("textbox", name="Address").fill("no address")
    await page.get_by_role("button", name="Start a test run").click()
    await expect(page.get_by_role("alert")).to_contain_text("Some inputs are not right")
    await expect(page.get_by_role("textbox", name="Address")).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_role("textbox", name="Address")).to_be_focused()


async def test_the_mode_begins_as_a_test_and_the_preflight_says_what_is_missing(visitor: Visitor, site: Site):
    site.apply(NEEDY)
    page = await visitor.go("/workflows/needy/run")
    await expect(page.get_by_role("radio", name=re.compile("^Test run"))).to_be_checked()
    await expect(page.get_by_text("1 thing to mend first")).to_be_visible()
    await expect(page.get_by_text("there is no secret 'not-there'")).to_be_visible()
    await visitor.look("form-preflight")
    site.api("PUT", "/secrets/not-there", {"value": "now it is"})
    await page.get_by_role("button", name="Look again").click()
    await expect(page.get_by_text("Ready: the document is right")).to_be_visible()


async def test_the_estimate_is_what_runs_did_cost_and_what_they_may(visitor: Visitor, site: Site):
    site.apply(EVERYTHING)
    inputs = {"name": "Ada", "size": "small", "address": {"city": "x"}, "credentials": "crm-key"}
    for _ in range(2):
        assert site.run("everything", inputs, run_mode="test_run")["status"] == "completed"
    page = await visitor.go("/workflows/everything/run")
    await expect(page.get_by_text(re.compile(r"the middle of the last \d runs"))).to_be_visible()
    await expect(page.get_by_role("row", name=re.compile("^Time"))).to_contain_text("1 min")
    await page.get_by_role("radio", name=re.compile("^Full run")).check()
    await expect(page.get_by_role("row", name=re.compile("^Time"))).to_contain_text("10 min")
    await expect(page.get_by_role("row", name=re.compile("^Cost"))).to_contain_text("$0.500")


async def test_a_run_is_started_again_with_its_inputs(visitor: Visitor, site: Site):
    site.apply(EVERYTHING)
    inputs = {"name": "Grace", "size": "large", "address": {"city": "Paris"}, "credentials": "crm-key", "count": 5}
    run = site.run("everything", inputs, run_mode="full_run")
    page = await visitor.go(f"/workflows/everything/run?from={run['run_id']}")
    await expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_value("Grace")
    await expect(page.get_by_role("textbox", name="Count")).to_have_value("5")
    await expect(page.get_by_role("radio", name=re.compile("^Full run"))).to_be_checked()


async def test_a_workflow_that_is_not_there_says_so(visitor: Visitor):
    visitor.expect_complaint("404")
    page = await visitor.go("/workflows/nowhere/run")
    await expect(page.get_by_role("alert")).to_contain_text("workflow.not_found")
    await visitor.look("form-not-found")
