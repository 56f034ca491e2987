"""Servers over HTTP: added, checked, tried, changed and taken away, without a restart and without a secret in sight."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.tools.conftest import ODD, started

import penstock
from penstock.api import server_models

pytestmark = pytest.mark.anyio

TOKEN = "correct-horse-battery-staple"
STDIO = {"command": sys.executable, "args": [ODD, "serve"]}
CALL = {
    "penstock": 1,
    "name": "call-echo",
    "nodes": {"a": {"kind": "tool", "with": {"capabilities": ["test.echo"], "arguments": {"text": "hi"}}}},
    "outputs": {"text": "${{ nodes.a.output.text }}"},
}


@pytest.fixture
async def clean(house):
    """No server of an earlier test is left."""
    yield house
    for one in (await house.http.get("/servers")).json()["items"]:
        if one["source"] == "registry":
            await house.http.delete(f"/servers/{one['name']}")


async def test_a_server_is_added_checked_tried_used_and_taken_away(clean, is_problem):
    http = clean.http
    await clean.core.apply(CALL)
    is_problem(await http.post("/runs", json={"workflow": "call-echo"}), 422, "preflight.failed")
    body = {
        "name": "odd",
        "title": "Odd",
        "capabilities": {"test.echo": "echo"},
        "tools": {"echo": {"sends_out": True}},
    }
    made = await http.post("/servers", json={**body, **STDIO})
    assert (made.status_code, made.headers["location"]) == (201, "/api/v1/servers/odd")
    detail = made.json()
    server_models.ServerDetail.model_validate_json(made.content)
    assert (detail["source"], detail["health"], detail["offers"]) == ("registry", "unknown", None)
    assert detail["config"]["command"] == sys.executable

    checked = (await http.post("/servers/odd/check")).json()
    server_models.Checked.model_validate(checked)
    assert (checked["ok"], checked["protocol"], "echo" in checked["tools"]) == (True, "2026-07-28", True)
    tried = (await http.post("/servers/odd/tools/echo", json={"arguments": {"text": "hello"}})).json()
    assert (tried["ok"], tried["result"]) == (True, {"text": "hello"})
    run = await clean.run("call-echo")
    assert (run["status"], run["outputs"]) == ("completed", {"text": "hi"})

    shown = (await http.get("/servers/ODD")).json()
    server_models.ServerDetail.model_validate(shown)
    assert (shown["health"], shown["breaker"]["state"], shown["under_way"]) == ("healthy", "closed", 0)
    echo = next(tool for tool in shown["offers"] if tool["name"] == "echo")
    assert (echo["reads_only"], echo["repeatable"], echo["touches"], echo["calls"]) == (True, True, ["sends"], 2)
    offers = {one["name"]: one["servers"] for one in (await http.get("/capabilities")).json()["items"]}
    assert offers["test.echo"] == [{"server": "odd", "tool": "echo", "health": "healthy", "fallback": False}]

    assert (await http.delete("/servers/odd")).status_code == 204
    is_problem(await http.get("/servers/odd"), 404, "server.not_found")
    is_problem(await http.post("/runs", json={"workflow": "call-echo"}), 422, "preflight.failed")


async def test_what_fails_in_a_check_or_a_trial_is_its_result(clean):
    await clean.http.post("/servers", json={"name": "gone", "command": "/no/such/program"})
    await clean.http.post("/servers", json={"name": "odd", **STDIO})
    checked = (await clean.http.post("/servers/gone/check")).json()
    assert (checked["ok"], checked["error"]["code"]) == (False, "tool.server_broken")
    assert (await clean.http.get("/servers/gone")).json()["health"] == "unhealthy"
    for tool, arguments, code in (
        ("echo", {"text": 7}, "tool.bad_arguments"),
        ("fails", {}, "tool.error"),
        ("x", {}, "tool.unknown"),
    ):
        tried = (await clean.http.post(f"/servers/odd/tools/{tool}", json={"arguments": arguments})).json()
        assert (tried["ok"], tried["error"]["code"]) == (False, code)


async def test_names_are_taken_once_and_can_be_replaced(clean, is_problem):
    body = {"name": "twice", **STDIO}
    assert (await clean.http.post("/servers", json=body)).status_code == 201
    is_problem(await clean.http.post("/servers", json={**body, "name": "TWICE"}), 409, "server.exists")
    is_problem(await clean.http.post("/servers", json={"name": "code", **STDIO}), 409, "server.exists")
    is_problem(await clean.http.put("/servers/other", json=body), 422, "server.invalid")
    changed = (await clean.http.put("/servers/twice", json={**STDIO, "priority": 5})).json()
    assert changed["priority"] == 5
    off = (await clean.http.put("/servers/code", json={"name": "code", **STDIO, "enabled": False})).json()
    assert (off["enabled"], off["source"]) == (False, "registry")
    is_problem(await clean.http.post("/servers/code/check"), 409, "server.off")
    assert (await clean.http.delete("/servers/code")).status_code == 204
    assert (await clean.http.get("/servers/code")).json()["source"] == "builtin"
    is_problem(await clean.http.delete("/servers/code"), 409, "server.not_registered")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"command": "x", "env": {"GITHUB_TOKEN": TOKEN}}, "/env/GITHUB_TOKEN"),
        ({"command": "x", "args": ["--api-key", TOKEN]}, "/args/1"),
        ({"command": "x", "args": ["--api-key=" + TOKEN]}, "/args/0"),
        ({"url": "http://127.0.0.1:9/mcp", "headers": {"Authorization": "Bearer " + TOKEN}}, "/headers/Authorization"),
        ({"url": f"http://127.0.0.1:9/mcp?api_key={TOKEN}"}, "/url"),
        ({"url": f"http://me:{TOKEN}@127.0.0.1:9/mcp"}, "/url"),
    ],
)
async def test_a_secret_that_is_written_out_is_refused_with_its_place(clean, is_problem, body, pointer):
    answer = await clean.http.post("/servers", json={"name": "leaky", **body})
    told = is_problem(answer, 422, "server.secret_in_clear")
    assert [error["pointer"] for error in told["errors"]] == [pointer]
    assert TOKEN not in answer.text
    is_problem(await clean.http.get("/servers/leaky"), 404, "server.not_found")


async def test_what_is_wrong_is_named_with_its_place(clean, is_problem):
    told = is_problem(await clean.http.post("/servers", json={"name": "a", "comand": "x"}), 422, "body.invalid")
    assert "comand" in str(told["errors"])
    is_problem(await clean.http.post("/servers", json={"name": "a", "url": "ftp://x"}), 422, "body.invalid")
    is_problem(await clean.http.post("/servers", json={"name": "../a", "command": "x"}), 422, "body.invalid")
    is_problem(await clean.http.post("/servers/none/check"), 404, "server.not_found")


async def test_an_import_moves_secrets_into_the_vault_and_the_server_gets_them(clean):
    file = {
        "mcpServers": {
            "odd one": {**STDIO, "env": {"ODD_API_KEY": TOKEN, "MODE": "fast", "OTHER": "${OTHER_TOKEN}"}},
            "web": {"url": "http://127.0.0.1:9/mcp", "headers": {"Authorization": "Bearer " + TOKEN}, "disabled": True},
        }
    }
    answer = await clean.http.post("/servers/import", json=file)
    told = server_models.Imported.model_validate_json(answer.content)
    assert (told.added, told.replaced, told.missing) == (["odd-one", "web"], [], ["OTHER_TOKEN"])
    assert [one.name for one in told.secrets] == ["odd-one.ODD_API_KEY", "web.Authorization"]
    vault = clean.core.vault
    assert await vault.get("default", "odd-one.ODD_API_KEY") == TOKEN
    assert await vault.get("default", "web.Authorization") == TOKEN
    assert (await clean.http.get("/servers/web")).json()["config"]["auth_secret"] == "web.Authorization"
    rows = await clean.core.registry.list("default", "servers")
    assert TOKEN not in json.dumps(rows)
    assert rows["odd-one"]["env"] == {"MODE": "fast"}

    tried = (await clean.http.post("/servers/odd-one/tools/environment")).json()
    assert tried["error"]["code"] == "secret.not_found", "one is not set yet"
    await clean.http.put("/secrets/OTHER_TOKEN", json={"value": "another-value"})
    answer = await clean.http.post("/servers/odd-one/tools/environment")
    seen = answer.json()["result"]
    assert (seen["MODE"], seen["ODD_API_KEY"], seen["OTHER"]) == ("fast", "[redacted]", "[redacted]")
    assert TOKEN not in answer.text
    again = (await clean.http.post("/servers/import", json=file)).json()
    assert (again["added"], again["replaced"]) == ([], ["odd-one", "web"])


async def test_an_import_that_is_wrong_in_one_place_changes_nothing(clean, is_problem):
    file = {"mcpServers": {"good": STDIO, "bad": {"type": "sse", "url": "http://x"}}}
    told = is_problem(await clean.http.post("/servers/import", json=file), 422, "server.invalid")
    assert told["errors"][0]["pointer"] == "/mcpServers/bad/transport"
    is_problem(await clean.http.get("/servers/good"), 404, "server.not_found")


async def test_a_change_by_another_process_is_seen(clean):
    """The other process writes the same database; here, its registry does."""
    with started([ODD, "serve", "--http"]) as url:
        await clean.core.registry.put("default", "servers", "theirs", {"url": url, "transport": "http"})
        clean.core.servers._sources.of("default").looked_at = 0.0  # as if two seconds had passed
        assert "theirs" in [one["name"] for one in (await clean.http.get("/servers")).json()["items"]]
        assert (await clean.http.post("/servers/theirs/check")).json()["ok"]


async def test_servers_json_is_read_again_when_it_changes(clean):
    file = clean.core.settings.data / "servers.json"
    try:
        file.write_text(json.dumps({"mcpServers": {"filed": STDIO}}))
        clean.core.servers._sources.of("default").looked_at = 0.0
        assert (await clean.http.get("/servers/filed")).json()["source"] == "file"
        file.write_text("{")
        clean.core.servers._sources.of("default").looked_at = 0.0
        assert (await clean.http.get("/servers/filed")).json()["source"] == "file", (
            "what cannot be read changes nothing"
        )
    finally:
        file.unlink()
    clean.core.servers._sources.of("default").looked_at = 0.0
    assert (await clean.http.get("/servers/filed")).status_code == 404


async def test_programs_are_added_only_where_that_is_allowed(tmp_path: Path, housekeeping, is_problem):
    async with housekeeping(tmp_path, server_programs="never") as house:
        is_problem(await house.http.post("/servers", json={"name": "odd", **STDIO}), 403, "server.program_refused")
        file = {"mcpServers": {"odd": STDIO}}
        is_problem(await house.http.post("/servers/import", json=file), 403, "server.program_refused")
        assert (await house.http.post("/servers", json={"name": "a", "url": "http://127.0.0.1:9"})).status_code == 201


async def test_metrics_show_servers(clean):
    await clean.http.post("/servers", json={"name": "gone", "command": "/no/such/program"})
    await clean.http.post("/servers/gone/check")
    lines = (await clean.bare.get("/metrics")).text.splitlines()
    assert 'penstock_server_up{server="gone"} 0.0' in lines
    assert 'penstock_server_breaker{server="gone"} 0.0' in lines


async def test_penstock_local_has_them(tmp_path: Path):
    async with penstock.local(tmp_path) as p:
        await p.registry.put("default", "servers", "odd", {**STDIO, "capabilities": {"test.echo": "echo"}})
        await p.apply(CALL)
        state = await p.wait(await p.start("call-echo"))
        assert (state.error, state.outputs) == (None, {"text": "hi"})
