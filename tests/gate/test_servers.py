"""MCP servers of one's own come from a file in the data folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import penstock
from penstock.errors import Invalid

pytestmark = pytest.mark.anyio


async def test_a_server_of_the_data_folder_can_be_used(tmp_path: Path) -> None:
    mine = {"command": sys.executable, "args": ["-P", "-m", "penstock.tools.code_server"]}
    source = Path(penstock.__file__).parents[1]
    servers = {"mcpServers": {"mine": {**mine, "env": {"PYTHONPATH": str(source)}}}}
    (tmp_path / "servers.json").write_text(json.dumps(servers))
    (tmp_path / "hello.txt").write_text("hello")
    call = {"server": "mine", "tool": "list_files", "arguments": {"path": str(tmp_path), "include": ["hello.txt"]}}
    document = {
        "penstock": 1,
        "name": "list",
        "nodes": {"list": {"kind": "tool", "with": call}},
        "outputs": {"path": "${{ nodes.list.output.files[0].path }}"},
    }
    async with penstock.local(tmp_path) as p:
        await p.apply(document)
        state = await p.wait(await p.start("list"))
        assert (state.error, state.outputs) == (None, {"path": "hello.txt"})


@pytest.mark.parametrize("text", ["{", '{"mcpServers": {"mine": {"comand": "x"}}}'])
async def test_a_file_that_is_wrong_says_so_at_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "servers.json").write_text(text)
    with pytest.raises(Invalid) as caught:
        async with penstock.local(tmp_path):
            pass
    assert caught.value.code == "server.invalid"


async def test_a_check_of_a_workflow_says_what_its_calls_will_take(tmp_path: Path) -> None:
    (tmp_path / "servers.json").write_text(
        json.dumps(
            {
                "mcpServers": {
                    "slow": {"command": "/no/such", "capabilities": {"x.y": "do"}, "tools": {"do": {"seconds": 9}}}
                }
            }
        )
    )
    nodes = {
        "list": {"kind": "tool", "with": {"capabilities": ["code.files"], "arguments": {"path": str(tmp_path)}}},
        "slow": {"kind": "tool", "with": {"capabilities": ["x.y"], "timeout_seconds": 20}},
        "open": {"kind": "tool", "with": {"capabilities": ["${{ inputs.what }}"]}},
    }
    inputs = {"type": "object", "properties": {"what": {"type": "string", "default": "x.y"}}}
    async with penstock.local(tmp_path) as p:
        await p.apply({"penstock": 1, "name": "calls", "inputs": inputs, "nodes": nodes})

        async def calls() -> dict[str, dict[str, object]]:
            run_id = await p.start("calls", mode="validate_only")
            await p.wait(run_id)
            report = next(e.fact.report for e in await p.journal.read(run_id) if e.kind == "run.checked")
            return report["calls"]

        told = await calls()
        assert (told["list"]["server"], told["list"]["tool"], told["list"]["known"]) == (
            "code",
            "list_files",
            "unknown",
        )
        assert (told["slow"]["seconds"], told["slow"]["known"], told["slow"]["seconds_at_most"]) == (9, "declared", 20)
        assert (told["open"]["server"], told["open"]["known"]) == (None, "unknown")
        assert p.servers._links == {}, "nothing was started for it"
        await p.servers.call("code", "list_files", {"path": str(tmp_path)})
        told = await calls()
        assert told["list"]["known"] == "seen"
        assert 0 < float(str(told["list"]["seconds"])) < 60 and int(str(told["list"]["bytes"])) > 10
