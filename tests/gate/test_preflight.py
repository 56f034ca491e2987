"""What stands in the way of a run is named before it begins: everything, at once, with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.errors import Invalid
from penstock.gate import Request
from penstock.nodes.function import register

pytestmark = pytest.mark.anyio


async def double(given: int) -> int:
    return given * 2


register("preflight.double", double)

WRONG: dict[str, Any] = {
    "penstock": 1,
    "name": "wrong",
    "inputs": {"type": "object", "required": ["who"], "properties": {"who": {"type": "string"}}},
    "nodes": {
        "call": {"kind": "function", "with": {"function": "preflight.doubel"}},
        "choose": {"kind": "plan", "with": {"function": "nowhere"}},
        "ask": {"kind": "http", "with": {"method": "GET", "url": "http://127.0.0.1:9", "auth_secret": "KEY"}},
        "scan": {"kind": "tool", "with": {"capabilities": ["code.scam"], "arguments": {}}},
        "other": {"kind": "tool", "with": {"server": "cod", "tool": "scan_files", "arguments": {}}},
        "sub": {"kind": "subflow", "with": {"workflow": "gone"}},
        "later": {"kind": "function", "with": {"function": "${{ inputs.who }}"}},
    },
    "edges": [{"from": "choose", "to": "sub"}],
}


async def test_everything_is_named_at_once_and_there_is_no_run(tmp_path: Path) -> None:
    async with penstock.local(tmp_path) as p:
        await p.apply(WRONG)
        with pytest.raises(Invalid) as caught:
            await p.start("wrong", {})
        found = {(problem.code, problem.pointer) for problem in caught.value.problems}
        assert found == {
            ("inputs.missing", "/who"),
            ("function.unknown", "/nodes/call/with/function"),
            ("function.unknown", "/nodes/choose/with/function"),
            ("secret.missing", "/nodes/ask/with/auth_secret"),
            ("tool.no_server", "/nodes/scan/with/capabilities/0"),
            ("tool.no_server", "/nodes/other/with/server"),
            ("version.not_found", "/nodes/sub/with/workflow"),
        }
        hints = {problem.pointer: problem.hint for problem in caught.value.problems}
        assert hints["/nodes/call/with/function"] == "did you mean 'preflight.double'?"
        assert hints["/nodes/scan/with/capabilities/0"] == "did you mean 'code.scan'?"
        assert (await p.runs.list("default")).items == []


async def test_validate_only_reports_the_same_as_its_result(tmp_path: Path) -> None:
    async with penstock.local(tmp_path) as p:
        await p.apply(WRONG)
        state = await p.wait(await p.start("wrong", {}, mode="validate_only"))
        assert (state.status, len(state.error["problems"])) == ("failed", 7)
        checked = (await p.journal.read(state.run_id))[1].fact
        counts = {"models": 0, "secrets": 1, "functions": 2, "servers": 2, "workflows": 1, "inputs": 1}
        assert checked.report["checks"] == counts


async def test_what_is_put_right_is_found_right(tmp_path: Path) -> None:
    right = {
        "penstock": 1,
        "name": "right",
        "nodes": {
            "call": {"kind": "function", "with": {"function": "preflight.double", "input": 21}},
            "keys": {
                "kind": "http",
                "on_error": "continue",
                "with": {"url": "http://127.0.0.1:9", "auth_secret": "KEY"},
            },
            "sub": {"kind": "subflow", "with": {"workflow": "child"}},
        },
        "outputs": {"n": "${{ nodes.call.output }}"},
    }
    child = {**right, "name": "child", "nodes": {"call": right["nodes"]["call"]}}
    async with penstock.local(tmp_path) as p:
        await p.vault.put("default", "KEY", "value")
        await p.apply(child)
        await p.gate.publish("default", "child", "ada")
        await p.apply(right)
        for mode, status in (("validate_only", "completed"), ("full_run", "completed")):
            assert (await p.wait(await p.gate.start(Request("right", mode=mode)))).status == status


async def test_functions_of_agents_and_crews_are_looked_for_too(tmp_path: Path) -> None:
    crew = {
        "agents": {
            "ada": {"role": "${{ inputs.who }}", "tools": [{"function": "gone"}, {"function": "preflight.double"}]}
        },
        "tasks": [
            {
                "name": "t",
                "description": "${{ inputs.who }}",
                "agent": "ada",
                "guardrail": {"function": "preflight.doubel"},
                "script": [{"call": {"function": "is no function"}}],
            }
        ],
    }
    agent = {"instructions": "x", "tools": [{"function": "lost"}]}
    nodes = {"crew": {"kind": "crew", "with": crew}, "agent": {"kind": "agent", "with": agent}}
    async with penstock.local(tmp_path) as p:
        await p.apply({**WRONG, "nodes": nodes, "edges": []})
        with pytest.raises(Invalid) as caught:
            await p.start("wrong", {"who": "me"})
    assert {(problem.code, problem.pointer) for problem in caught.value.problems} == {
        ("function.unknown", "/nodes/crew/with/agents/ada/tools/0/function"),
        ("function.unknown", "/nodes/crew/with/tasks/0/guardrail/function"),
        ("function.unknown", "/nodes/agent/with/tools/0/function"),
    }
