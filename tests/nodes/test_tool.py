"""The kind `tool`, with real servers."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.nodes.stub import Step

from penstock.errors import Invalid, NotFound, Refused, Unavailable
from penstock.nodes.tool import Tool, ToolConfig
from penstock.ports import NodeKind
from penstock.tools.config import ServerConfig
from penstock.tools.registry import Servers

pytestmark = pytest.mark.anyio

ODD = str(Path(__file__).parents[1] / "tools" / "odd_server.py")


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    pool = Servers([ServerConfig(name="odd", command=sys.executable, args=[ODD, "serve"])])
    yield pool
    await pool.aclose()


def test_it_is_a_node_kind() -> None:
    kind: NodeKind = Tool(Servers())
    assert (kind.name, kind.Config, kind.literal) == ("tool", ToolConfig, frozenset())


def test_a_step_says_what_it_wants() -> None:
    with pytest.raises(ValidationError, match="name a capability or a tool"):
        ToolConfig(server="odd")
    with pytest.raises(ValidationError):
        ToolConfig(tool="x", timeout_seconds=0)


async def test_a_capability_of_the_built_in_server(servers: Servers, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    step = Step(tmp_path)
    done = await Tool(servers).run(step, ToolConfig(capabilities=["code.files"], arguments={"path": str(tmp_path)}))
    assert [entry["path"] for entry in done.output["files"]] == ["a.py"]
    assert step.notes == ["code/list_files"]
    assert step.kept.keys() == {"route"}, "what only reads need not be kept"


async def test_a_call_that_does_something_is_kept_and_made_once(servers: Servers, tmp_path: Path) -> None:
    first = Step(tmp_path)
    assert (await Tool(servers).run(first, ToolConfig(server="odd", tool="count"))).output == {"n": 1}
    again = Step(tmp_path, kept=first.kept, attempt=2)
    assert (await Tool(servers).run(again, ToolConfig(server="odd", tool="count"))).output == {"n": 1}
    assert not {"route", "call"} & set(again.calls)


async def test_a_kept_answer_does_not_need_its_server(tmp_path: Path) -> None:
    gone = Servers([ServerConfig(name="odd", command="/no/such/program")])
    kept = Step(tmp_path, kept={"call": {"n": 1}})
    assert (await Tool(gone).run(kept, ToolConfig(server="odd", tool="count"))).output == {"n": 1}
    with pytest.raises(Unavailable):
        await Tool(gone).run(Step(tmp_path), ToolConfig(server="odd", tool="count"))
    await gone.aclose()


async def test_the_steps_key_goes_along(servers: Servers, tmp_path: Path) -> None:
    step = Step(tmp_path)
    done = await Tool(servers).run(step, ToolConfig(server="odd", tool="whoami"))
    assert done.output["key"] == step.key


async def test_wrong_names_and_arguments_are_refused_before_any_call(servers: Servers, tmp_path: Path) -> None:
    for config, error in (
        (ToolConfig(capabilities=["code.fils"]), NotFound),
        (ToolConfig(server="odd", tool="cuont"), NotFound),
        (ToolConfig(server="odd", tool="echo", arguments={}), Invalid),
    ):
        step = Step(tmp_path)
        with pytest.raises(error):
            await Tool(servers).run(step, config)
        assert "call" not in step.kept


async def test_policies_are_asked_round_the_call(servers: Servers, tmp_path: Path) -> None:
    deny = {"name": "no-count", "on": ["tool.call"], "when": "call.tool == 'count'", "then": "deny"}
    step = Step(tmp_path, policies=[deny])
    with pytest.raises(Refused) as caught:
        await Tool(servers).run(step, ToolConfig(server="odd", tool="count"))
    assert caught.value.code == "policy.denied"
    assert "call" not in step.kept
    allowed = await Tool(servers).run(Step(tmp_path, policies=[deny]), ToolConfig(server="odd", tool="whoami"))
    assert allowed.output["pid"]


async def test_policies_know_what_a_tool_touches(tmp_path: Path) -> None:
    config = ServerConfig(name="odd", command=sys.executable, args=[ODD, "serve"], tools={"count": {"sends_out": True}})
    pool = Servers([config], builtin=False)
    try:
        deny = {"name": "stay", "on": ["tool.call"], "when": "touched.sends", "then": "deny"}
        with pytest.raises(Refused):
            await Tool(pool).run(Step(tmp_path, policies=[deny]), ToolConfig(server="odd", tool="count"))
        assert (await Tool(pool).run(Step(tmp_path, policies=[deny]), ToolConfig(server="odd", tool="whoami"))).output
    finally:
        await pool.aclose()


async def test_a_choice_is_kept_and_replayed_whatever_the_servers_are_like_then(tmp_path: Path) -> None:
    def config(name: str, priority: int) -> ServerConfig:
        env = {"ODD_NAME": name}
        return ServerConfig(
            name=name,
            command=sys.executable,
            args=[ODD, "serve"],
            env=env,
            priority=priority,
            capabilities={"a.look": "look"},
        )

    trace = {"path": str(tmp_path / "trace")}
    pool = Servers([config("first", 5), config("second", 1)], builtin=False)
    try:
        asked = ToolConfig(capabilities=["a.look"], arguments=trace)
        before = Step(tmp_path)
        assert (await Tool(pool).run(before, asked)).output == {"name": "first"}
        pool.replace([config("first", 1), config("second", 5)])
        again = Step(tmp_path, kept=before.kept, attempt=2)
        assert (await Tool(pool).run(again, asked)).output == {"name": "first"}, "as it was chosen"
        assert not [fact for fact in again.said if fact.kind == "route.chosen"]
        assert (await Tool(pool).run(Step(tmp_path), asked)).output == {"name": "second"}
    finally:
        await pool.aclose()
