"""`penstock servers …` as a person types it."""

from __future__ import annotations

import json
import sys

from tests.e2e.shell import Shell, workflow
from tests.tools.conftest import ODD

TOKEN = "correct-horse-battery-staple"
CALL = workflow(
    "echo",
    {"a": {"kind": "tool", "with": {"capabilities": ["test.echo"], "arguments": {"text": "hi"}}}},
    outputs={"text": "${{ nodes.a.output.text }}"},
)


def test_a_server_is_added_tried_used_and_removed(shell: Shell) -> None:
    added = shell("servers", "add", "odd", "-c", "test.echo=echo", "--", sys.executable, ODD, "serve")
    assert (added.code, added.err) == (0, "server odd is registered\n")
    listed = shell("servers", "ls")
    assert "odd" in listed.out and "not used yet" in listed.out and "builtin" in listed.out
    checked = shell("servers", "check", "odd")
    assert checked.code == 0 and "answers" in checked.out and "2026-07-28" in checked.out
    assert "whoami" in shell("servers", "tools", "odd").out
    assert shell("servers", "call", "odd", "echo", "-a", 'text="hello"').json == {"text": "hello"}
    wrong = shell("servers", "call", "odd", "echo", "-a", "text=7")
    assert wrong.code == 1 and "error[tool.bad_arguments]" in wrong.err and "/arguments/text" in wrong.err
    run = shell("run", shell.write("echo.json", CALL), "--json")
    assert (run.code, run.json["outputs"]) == (0, {"text": "hi"})
    taken = shell("servers", "add", "odd", "--url", "http://127.0.0.1:9/mcp")
    assert taken.code != 0 and "error[server.exists]" in taken.err and "--replace" in taken.err
    assert shell("servers", "add", "odd", "--url", "http://127.0.0.1:9/mcp", "--replace").code == 0
    gone = shell("servers", "check", "odd", "--json")
    assert gone.code == 1 and gone.json["items"][0]["error"]["code"] == "tool.server_broken"
    assert shell("servers", "rm", "odd").code == 0
    assert "error[server.not_found]" in shell("servers", "rm", "odd").err


def test_the_file_of_an_editor_is_imported_and_its_secrets_are_not_written_down(shell: Shell) -> None:
    file = {
        "mcpServers": {
            "odd": {"command": sys.executable, "args": [ODD, "serve"], "env": {"ODD_TOKEN": TOKEN, "B": "${BB}"}}
        }
    }
    told = shell("servers", "import", shell.write("mcp.json", json.dumps(file)))
    assert told.code == 0 and "secret odd.ODD_TOKEN is in the vault now" in told.err
    assert "secret BB is named and not set" in told.err
    assert "odd.ODD_TOKEN" in shell("secrets", "ls").out
    for path in shell.data.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path
    wrong = shell(
        "servers", "import", shell.write("bad.json", '{"mcpServers": {"a": {"type": "sse", "url": "http://x"}}}')
    )
    assert wrong.code != 0 and "error[server.invalid]" in wrong.err and "/mcpServers/a/transport" in wrong.err


def test_what_is_asked_for_wrongly_says_how_it_is_asked_for(shell: Shell) -> None:
    assert "error[server.no_command]" in shell("servers", "add", "odd").err
    assert "error[server.bad_pair]" in shell("servers", "add", "odd", "-c", "x", "--", "y").err
    assert "error[server.secret_in_clear]" in shell("servers", "add", "odd", "--env", f"A_TOKEN={TOKEN}", "--", "y").err
