"""What work is done with and under which rules: servers and their tools, providers and secrets, policies and budgets."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect
from tests.browser.site import ROOT, Site, Visitor
from tests.models.server import Provider, fails, say

pytestmark = pytest.mark.anyio

CODE = f'"{sys.executable}" -P -m penstock.tools.code_server'
ENVIRONMENT = f'PYTHONPATH="{ROOT / "src"}"'
KEY = "sk-of-a-test-0123456789abcdef"
ASKS = {
    "penstock": 1,
    "name": "asks",
    "nodes": {
        "think": {
            "kind": "agent",
            "with": {"role": "Clerk", "goal": "be done", "model": "scripted:", "script": ["Done."]},
        }
    },
    "outputs": {"text": "${{ nodes.think.output.text }}"},
}


async def add_code_server(page: Page, name: str) -> None:
    await page.get_by_role("button", name="Add a server").click()
    form = page.get_by_role("dialog", name="Add a server")
    await form.get_by_label("Name").fill(name)
    await form.get_by_label("Command").fill(CODE)
    await form.get_by_label("Environment").fill(ENVIRONMENT)
    await form.get_by_role("button", name="Add and check").click()


async def test_a_server_is_added_asked_tried_and_removed(visitor: Visitor, tmp_path: Path):
    (tmp_path / "one.py").write_text("def f(x=[]):\n    return x\n")
    page = await visitor.go("/servers")
    await expect(page.get_by_role("listitem").filter(has_text="Source code")).to_be_visible()
    await visitor.look("servers")
    await page.get_by_role("button", name="Add a server").click()
    await page.get_by_role("button", name="Add and check").click()
    await expect(page.get_by_text("What is to be started?")).to_be_visible()
    await visitor.look("servers-add", whole=False)
    await page.keyboard.press("Escape")
    await add_code_server(page, "reader")
    await expect(page).to_have_url(re.compile("/servers/reader$"))
    await expect(page.get_by_text("Healthy")).to_be_visible()
    await visitor.look("server")
    await page.get_by_role("button", name=re.compile("list_files")).click()
    await visitor.look("server-tool")
    await page.get_by_role("textbox", name=re.compile("^Path")).fill(str(tmp_path))
    await page.get_by_role("button", name="Call it").click()
    result = page.get_by_role("group", name="Result")
    await expect(result.get_by_role("cell", name="one.py")).to_be_visible()
    await visitor.look("server-result")
    await result.get_by_text("JSON", exact=True).click()
    await expect(result.get_by_role("region", name="Result as JSON")).to_contain_text("one.py")
    await page.get_by_role("textbox", name=re.compile("^Path")).fill(str(tmp_path / "absent"))
    await page.get_by_role("button", name="Call it").click()
    await expect(page.get_by_role("alert").filter(has_text="It failed after")).to_be_visible()
    await visitor.look("server-refusal")
    await page.get_by_role("button", name="Remove").click()
    await visitor.look("server-remove", whole=False)
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(page).to_have_url(re.compile("/servers$"))
    await expect(page.get_by_role("link", name="reader")).to_have_count(0)


async def test_a_server_that_does_not_answer_says_why(visitor: Visitor, site: Site):
    body = {"name": "silent", "command": sys.executable, "args": ["-c", "raise SystemExit('no licence')"]}
    site.api("PUT", "/servers/silent", body)
    page = await visitor.go("/servers/silent?check=1")
    await expect(page.get_by_role("alert").filter(has_text="It did not answer as it should")).to_be_visible()
    await expect(page.get_by_text("Unhealthy")).to_be_visible()
    await visitor.look("server-broken")
    await page.get_by_role("button", name="Switch off").click()
    await expect(page.get_by_text("Switched off", exact=True)).to_be_visible()
    assert site.api("GET", "/servers/silent")["enabled"] is False
    site.api("DELETE", "/servers/silent")


async def test_an_mcp_json_is_imported_and_its_secrets_are_moved(visitor: Visitor, site: Site):
    shared = {
        "mcpServers": {
            "notes": {"command": "notes-server", "env": {"NOTES_TOKEN": "ghp_" + "a1B2" * 9}},
            "search": {"url": "https://search.example.com/mcp", "headers": {"X-Api-Key": "${SEARCH_KEY}"}},
        }
    }
    page = await visitor.go("/servers")
    await page.get_by_role("button", name="Import mcp.json").click()
    dialog = page.get_by_role("dialog", name="Import mcp.json")
    await dialog.get_by_label("Contents of mcp.json").click()
    await page.keyboard.press("Control+a")
    await page.keyboard.press("Backspace")
    await page.keyboard.insert_text(json.dumps(shared, indent=2))
    await visitor.look("servers-import", whole=False)
    await dialog.get_by_role("button", name="Import", exact=True).click()
    await expect(dialog.get_by_text("Added: ")).to_contain_text("notes, search")
    await expect(dialog.get_by_text("Moved into the vault")).to_contain_text("(of notes)")
    await expect(dialog.get_by_text("Named and not set yet")).to_contain_text("SEARCH_KEY")
    await visitor.look("servers-imported", whole=False)
    await dialog.get_by_role("button", name="Done").click()
    await expect(page.get_by_role("link", name="search")).to_be_visible()
    for name in ("notes", "search"):
        site.api("DELETE", f"/servers/{name}")
    [moved] = site.api("GET", "/secrets")["names"]
    site.api("DELETE", f"/secrets/{moved}")


async def test_capabilities_lead_to_the_tools_that_serve_them(visitor: Visitor):
    page = await visitor.go("/servers?view=capabilities")
    row = page.get_by_role("row", name=re.compile("^code.scan code "))
    await expect(row).to_contain_text("Healthy")
    await visitor.look("capabilities")
    await row.get_by_role("link", name="scan_files").click()
    await expect(page).to_have_url(re.compile(r"/servers/code\?tool=scan_files$"))
    await expect(page.get_by_role("button", name="Call it")).to_be_visible()


async def test_a_provider_is_connected_tested_and_found_broken(visitor: Visitor, site: Site):
    answers = {"wrong": False}
    async with Provider(by=lambda body: fails(401, "bad key") if answers["wrong"] else say("pong")) as provider:
        page = await visitor.go("/secrets")
        row = page.get_by_role("listitem", name=re.compile("^OpenAI, or anything"))
        await expect(row).to_contain_text("No key")
        await visitor.look("secrets-empty")
        await row.get_by_role("button", name="Set a key").click()
        form = page.get_by_role("dialog")
        await form.get_by_label("Key", exact=True).fill(KEY)
        await form.get_by_label("Address").fill(provider.url)
        await form.get_by_label("Model").fill("test-model")
        await visitor.look("provider-key", whole=False)
        await form.get_by_role("button", name="Try and keep").click()
        await expect(row).to_contain_text("Connected")
        assert provider.headers[0]["authorization"] == f"Bearer {KEY}"
        answers["wrong"] = True
        await row.get_by_role("button", name="Test").click()
        await expect(row).to_contain_text("Broken")
        await expect(row).to_contain_text("model.bad_key")
        await visitor.look("secrets")
        answers["wrong"] = False
        await row.get_by_role("button", name="Test").click()
        await expect(row).to_contain_text("Connected")
    assert KEY not in await page.content()
    await row.get_by_role("button", name="Remove").click()
    await row.get_by_role("button", name="Forget the key").click()
    await expect(row).to_contain_text("No key")
    assert site.api("GET", "/secrets")["names"] == []


async def test_a_key_that_is_not_taken_is_not_kept(visitor: Visitor, site: Site):
    visitor.expect_complaint("Failed to load resource")
    async with Provider(fails(401, "bad key")) as provider:
        page = await visitor.go("/secrets")
        row = page.get_by_role("listitem", name=re.compile("^OpenAI, or anything"))
        await row.get_by_role("button", name="Set a key").click()
        form = page.get_by_role("dialog")
        await form.get_by_label("Key", exact=True).fill(KEY)
        await form.get_by_label("Address").fill(provider.url)
        await form.get_by_label("Model").fill("test-model")
        await form.get_by_role("button", name="Try and keep").click()
        await expect(form.get_by_role("alert")).to_contain_text("The key was not kept")
        await visitor.look("provider-refused", whole=False)
    assert site.api("GET", "/secrets")["names"] == []


async def test_a_secret_goes_in_and_never_out(visitor: Visitor, site: Site):
    value = "never to be seen 4711"
    page = await visitor.go("/secrets")
    await page.get_by_role("button", name="Set a secret").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Name").fill("MAIL_PASSWORD")
    await form.get_by_label(re.compile("^Value")).fill(value)
    await visitor.look("secret-set", whole=False)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("listitem").filter(has_text="MAIL_PASSWORD")).to_be_visible()
    assert value not in await page.content()
    await visitor.look("secrets-one")
    await page.get_by_role("button", name="Replace MAIL_PASSWORD").click()
    await form.get_by_label(re.compile("^Value")).fill("another")
    await form.get_by_role("button", name="Replace").click()
    await expect(form).to_have_count(0)
    await page.get_by_role("button", name="Rotate").click()
    await form.get_by_role("button", name="Rotate").click()
    await expect(page.get_by_text("1 secret sealed with a new key")).to_be_visible()
    await page.get_by_role("button", name="Delete MAIL_PASSWORD").click()
    await form.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("heading", name="There is no secret yet")).to_be_visible()
    assert site.api("GET", "/secrets")["names"] == []


async def test_a_budget_is_set_and_what_is_used_of_it_shown(visitor: Visitor, site: Site):
    page = await visitor.go("/settings/budgets")
    await expect(page.get_by_text("Nothing was used this month")).to_be_visible()
    await visitor.look("budgets-empty")
    site.apply(ASKS)
    assert site.run("asks")["status"] == "completed"
    await page.get_by_role("button", name="Set a budget").click()
    form = page.get_by_role("dialog")
    await form.get_by_role("button", name="Set", exact=True).click()
    await expect(form.get_by_role("alert")).to_contain_text("Bound at least one")
    await form.get_by_text("Each month").click()
    await form.get_by_label("US dollars").fill("12.50")
    await form.get_by_label("Tokens").fill("100")
    await visitor.look("budget-set", whole=False)
    await form.get_by_role("button", name="Set", exact=True).click()
    group = page.get_by_role("listitem", name="The whole group")
    await expect(group.get_by_role("meter", name=re.compile(r"This month: .* of \$12\.50"))).to_be_visible()
    await expect(page.get_by_role("listitem", name="asks")).to_be_visible()
    await visitor.look("budgets")
    kept = site.api("GET", "/budgets/group")
    assert (kept["usd"], kept["tokens"], kept["per"]) == ("12.50", 100, "month")
    await group.get_by_role("button", name="Change the budget").click()
    await expect(form.get_by_label("US dollars")).to_have_value("12.50")
    await page.keyboard.press("Escape")
    await group.get_by_role("button", name="Remove the budget").click()
    await expect(group.get_by_role("button", name="Bound it")).to_be_visible()


async def test_a_policy_is_written_checked_tried_and_switched(visitor: Visitor, site: Site):
    site.apply(ASKS)
    run = site.run("asks")["run_id"]
    page = await visitor.go("/settings")
    await expect(page.get_by_role("listitem", name="lethal-trifecta")).to_be_visible()
    await visitor.look("policies")
    await page.get_by_role("button", name="New policy").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Name").fill("no-done")
    await form.get_by_label("When a model has answered").check()
    await form.get_by_label("Before a tool is called").uncheck()
    await form.get_by_label("Condition").fill("call.text == ")
    await expect(form.get_by_text("unexpected the end, at character 13")).to_be_visible()
    await visitor.look("policy-wrong", whole=False)
    await form.get_by_label("Condition").fill('call.text == "[scripted] Done."')
    await expect(form.get_by_text("unexpected the end")).to_have_count(0)
    await form.get_by_role("combobox", name="What happens").click()
    await page.get_by_role("option", name="Refuse it").click()
    await form.get_by_role("combobox", name="Run").fill(run)
    await form.get_by_role("button", name="Test", exact=True).click()
    await expect(form.get_by_role("status")).to_contain_text("1 decision")
    await visitor.look("policy-tried", whole=False)
    await form.get_by_role("button", name="Keep").click()
    row = page.get_by_role("listitem", name="no-done")
    await expect(row).to_contain_text("Refuse it")
    await row.get_by_role("switch").press("Space")
    await expect(row.get_by_role("switch")).not_to_be_checked()
    await expect(page.locator("#announcements")).to_contain_text("Policy no-done is off")
    kept: dict[str, Any] = site.api("GET", "/policies/no-done")
    assert (kept["enabled"], kept["then"], kept["when"]) == (False, "deny", 'call.text == "[scripted] Done."')
    await row.get_by_role("button", name="Edit").click()
    await form.get_by_role("button", name="Delete it").click()
    await expect(row).to_have_count(0)


async def test_a_policy_that_comes_with_penstock_is_changed_and_taken_back(visitor: Visitor, site: Site):
    page = await visitor.go("/settings/policies")
    row = page.get_by_role("listitem", name="personal-data")
    await row.get_by_role("switch").press("Space")
    await expect(row).to_contain_text("changed here")
    assert site.api("GET", "/policies/personal-data")["changed"] == ["enabled"]
    await row.get_by_role("button", name="Edit").click()
    await page.get_by_role("dialog").get_by_role("button", name="Take back what was changed here").click()
    await expect(row.get_by_role("switch")).not_to_be_checked()
    assert site.api("GET", "/policies/personal-data")["changed"] == []


async def test_appearance_shortcuts_and_what_this_is(visitor: Visitor):
    page = await visitor.go("/settings/appearance")
    await visitor.look("appearance")
    await page.get_by_role("radio", name="Dark").check()
    await expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    await page.get_by_role("radio", name="As the system").check()
    await page.get_by_role("tab", name="Shortcuts").click()
    await expect(page).to_have_url(re.compile("/settings/shortcuts$"))
    await visitor.look("shortcuts-page")
    await page.get_by_role("tab", name="About").click()
    await expect(page.get_by_text("ready")).to_be_visible()
    await visitor.look("about")


async def test_the_places_are_a_few_letters_away(visitor: Visitor):
    page = await visitor.go("/")
    for letter, title in (
        ("i", "Inbox"),
        ("d", "Dead letters"),
        ("s", "Servers and tools"),
        ("p", "Providers and secrets"),
    ):
        await page.keyboard.press("g")
        await page.keyboard.press(letter)
        await expect(page.get_by_role("heading", level=1)).to_have_text(title)
