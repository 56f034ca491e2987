"""The kind `agent`: its loop, its tools, its answer, and what each kind of trouble ends in. The provider is a local server
spoken to over HTTP by the provider's own client, or the scripted model."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.models.server import Answer as Said
from tests.models.server import Provider, call, calls, fails, say
from tests.nodes.stub import Step

from penstock.errors import Invalid, NotFound, PenstockError, Refused, StepFailed, TimedOut, TooLarge, Unavailable
from penstock.models.port import Reply
from penstock.models.registry import Models
from penstock.nodes.agent import Agent, AgentConfig
from penstock.nodes.agent_answer import Answer
from penstock.nodes.function import Function, register, unregister
from penstock.ports import NodeKind
from penstock.tools.config import ServerConfig
from penstock.tools.registry import Servers

pytestmark = pytest.mark.anyio

ODD = str(Path(__file__).parents[1] / "tools" / "odd_server.py")
VERDICT = {"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}, "why": {"type": "string"}}}
made: list[Any] = []


async def weigh(given: Any) -> Any:
    """Weighs a thing, in grams."""
    made.append(given)
    if given.get("thing") == "ghost":
        raise ValueError("it has no weight")
    return {"grams": 3 * len(given["thing"])}


async def hangs(given: Any) -> None:
    await asyncio.Future()


async def counts(given: Any, step: Any) -> int:
    async def one() -> int:
        made.append(step.key)
        return len(made)

    return await step.once("one", one)


WEIGH = {
    "function": "weigh",
    "parameters": {"type": "object", "required": ["thing"], "properties": {"thing": {"type": "string"}}},
}


async def no_sleep(seconds: float) -> None:
    return None


@pytest.fixture(autouse=True)
def functions() -> Any:
    made.clear()
    tools: dict[str, Callable[..., Any]] = {"weigh": weigh, "hangs": hangs, "counts": counts}
    for name, function in tools.items():
        register(name, function)
    register("big", lambda given: "x" * 10_000_000)
    yield
    for name in [*tools, "big"]:
        unregister(name)


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    servers = Servers([ServerConfig(name="odd", command=sys.executable, args=[ODD, "serve"])])
    kind = Agent(Models(sleep=no_sleep, chance=lambda: 0.5), servers, Function())
    yield kind
    await kind.aclose()
    await servers.aclose()


def asks(provider: Provider, **more: Any) -> AgentConfig:
    return AgentConfig(**{"model": "openai:gpt-5", "base_url": provider.url, "instructions": "Do it.", **more})


def roles(body: dict[str, Any]) -> list[str]:
    return [message["role"] for message in body["messages"]]


async def test_it_is_a_node_kind(agent: Agent) -> None:
    kind: NodeKind = agent
    assert (kind.name, kind.Config, kind.literal) == ("agent", AgentConfig, frozenset())


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"instructions": "x", "max_turns": 0},
        {"instructions": "x", "tools": [{}]},
        {"instructions": "x", "tools": [{"function": "f", "server": "s"}]},
        {"instructions": "x", "tools": [{"server": "s", "parameters": {}}]},
        {"instructions": "x", "base_url": "file:///etc/passwd"},
        {"instructions": "x", "modle": "y"},
    ],
)
def test_a_wrong_configuration_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AgentConfig(**wrong)


async def test_without_a_schema_the_answer_is_text(agent: Agent, tmp_path: Path) -> None:
    async with Provider(say("Fine.", usage=(1000, 10, 400))) as provider:
        step = Step(tmp_path)
        config = asks(provider, role="a judge", goal="justice", backstory="Old.", input={"case": 7})
        assert (await agent.run(step, config)).output == {"text": "Fine."}
    messages = provider.bodies[0]["messages"]
    assert [m["content"] for m in messages] == ["You are a judge.\nOld.\nYour goal: justice", 'Do it.\n\n{"case":7}']
    assert step.notes == ["turn 1: openai:gpt-5, 1000 (400 cached) + 10 tokens, $0.0009"]
    assert step.kept["model:1"]["cost_usd"] == "0.0009"
    assert step.kept["model:1"]["usage"]["cached_tokens"] == 400


async def test_an_unknown_price_is_unknown(agent: Agent, tmp_path: Path) -> None:
    async with Provider(say("Fine.")) as provider:
        step = Step(tmp_path)
        await agent.run(step, asks(provider, model="openai:my-own"))
    assert step.kept["model:1"]["cost_usd"] is None
    assert "cost unknown" in step.notes[0]
    assert "usd" not in step.spent


async def test_tools_are_called_and_their_answers_told(agent: Agent, tmp_path: Path) -> None:
    answers = [
        calls(("a", "weigh", {"thing": "cat"}), ("b", "weigh", {"thing": "whale"})),
        call("count", {}, id="a"),
        call("final_result", {"ok": True, "why": "light"}),
    ]
    async with Provider(*answers) as provider:
        step = Step(tmp_path)
        config = asks(provider, output=VERDICT, tools=[WEIGH, {"server": "odd", "tool": "count"}])
        assert (await agent.run(step, config)).output == {"ok": True, "why": "light"}
    assert step.calls == ["tools", "model:1", "tool:1.1:a", "tool:1.2:b", "model:2", "tool:2.1:a", "model:3"]
    tools = [tool["function"]["name"] for tool in provider.bodies[0]["tools"]]
    assert tools == ["weigh", "count", "final_result"]
    assert provider.bodies[0]["tools"][0]["function"]["description"] == "Weighs a thing, in grams."
    assert provider.bodies[0]["tool_choice"] == "required"
    assert [json.loads(m["content"]) for m in provider.bodies[2]["messages"] if m["role"] == "tool"] == [
        {"grams": 9},
        {"grams": 15},
        {"n": 1},
    ]
    assert [h["idempotency-key"] for h in provider.headers] == [f"{step.key}:model:{n}" for n in (1, 2, 3)]


async def test_what_was_kept_is_not_asked_again(agent: Agent, tmp_path: Path) -> None:
    answers = [call("weigh", {"thing": "cat"}), call("count", {}), say("nine grams")]
    tools = [WEIGH, {"server": "odd", "tool": "count"}]
    async with Provider(*answers) as provider:
        first = Step(tmp_path)
        output = (await agent.run(first, asks(provider, tools=tools))).output
        keys = list(first.kept)
        for upto in range(len(keys) + 1):
            again = Step(tmp_path, kept={key: first.kept[key] for key in keys[:upto]}, attempt=2)
            before = len(provider.bodies)
            provider._answers = answers[sum(k.startswith("model") for k in keys[:upto]) :] or [fails(500)]
            provider._answers = [fails(500)] * before + provider._answers
            assert (await agent.run(again, asks(provider, tools=tools))).output == output
            assert again.calls == keys[upto:]
            assert len(provider.bodies) - before == sum(k.startswith("model") for k in keys[upto:])


async def test_a_step_that_was_answered_needs_no_server_and_no_provider(tmp_path: Path) -> None:
    gone = Servers([ServerConfig(name="odd", command="/no/such/program")])
    reply = {"text": "nine", "finish": "stop", "model": "m", "usage": {"input_tokens": 1, "output_tokens": 1}}
    kept = {"tools": [{"server": "odd", "tool": "count", "name": "count", "description": "", "parameters": {}}]}
    step = Step(tmp_path, kept={**kept, "model:1": reply})
    config = AgentConfig(model="ollama:x", base_url="http://127.0.0.1:1/v1", goal="x", tools=[{"server": "odd"}])
    assert (await Agent(Models(), gone, Function()).run(step, config)).output == {"text": "nine"}
    assert step.spent == {}


async def test_what_a_model_gets_wrong_it_is_told(agent: Agent, tmp_path: Path) -> None:
    answers = [
        call("wiegh", {}),
        call("weigh", {"thing": 3}),
        call("weigh", "{oops"),
        call("weigh", {"thing": "ghost"}),
        call("fails", {}),
        call("echo", {"text": 3}),
        say("I give up."),
    ]
    async with Provider(*answers) as provider:
        tools = [WEIGH, {"server": "odd", "tool": "fails"}, {"capabilities": ["test.echo"]}]
        done = await agent.run(Step(tmp_path), asks(provider, tools=tools))
    assert done.output == {"text": "I give up."}
    told = [m["content"] for m in provider.bodies[-1]["messages"] if m["role"] == "tool"]
    for text, part in zip(
        told,
        [
            "no tool 'wiegh'",
            "do not fit",
            "not a JSON object",
            "ValueError: it has no weight",
            "the fish is gone",
            "text",
        ],
        strict=True,
    ):
        assert part in text
    assert made == [{"thing": "ghost"}], "arguments that do not fit reach no tool"


async def test_all_tools_of_a_server_under_names_of_their_own(agent: Agent, tmp_path: Path) -> None:
    async with Provider(say("x")) as provider:
        tools = [{"server": "odd"}, {"function": "weigh", "name": "count"}]
        await agent.run(Step(tmp_path), asks(provider, tools=tools))
    names = [tool["function"]["name"] for tool in provider.bodies[0]["tools"]]
    assert len(names) == len(set(names)) == 21
    assert "count" in names
    assert "odd_count" in names


async def test_a_function_keeps_calls_of_its_own(agent: Agent, tmp_path: Path) -> None:
    same = calls(("a", "counts", {}), ("a", "counts", {}), ("", "counts", {}), ("i" * 9_000, "counts", {}))
    async with Provider(same, say("x")) as provider:
        step = Step(tmp_path)
        await agent.run(step, asks(provider, tools=[{"function": "counts"}]))
    names = [key.removeprefix(f"{step.key}:tool:1.") for key in made]
    assert names[:2] == ["1:a", "2:a"]
    assert len({*names}) == 4
    assert max(map(len, names)) < 100
    assert [m["content"] for m in provider.bodies[1]["messages"] if m["role"] == "tool"] == ["1", "2", "3", "4"]


# ---------------------------------------------------------------------------------------------------------- the answer


@pytest.mark.parametrize(
    "wrong",
    [call("final_result", {"ok": "yes"}), call("final_result", "{oops"), say("It is fine."), say('{"ok": 1}')],
    ids=["type", "json", "text", "text of the wrong type"],
)
async def test_an_answer_that_does_not_fit_is_put_right(agent: Agent, tmp_path: Path, wrong: Answer) -> None:
    async with Provider(wrong, call("final_result", {"ok": True})) as provider:
        assert (await agent.run(Step(tmp_path), asks(provider, output=VERDICT))).output == {"ok": True}
    assert "does not fit" in provider.bodies[1]["messages"][-1]["content"]


@pytest.mark.parametrize("text", ['{"ok": true}', '```json\n{"ok": true}\n```'])
async def test_json_text_is_an_answer_too(agent: Agent, tmp_path: Path, text: str) -> None:
    async with Provider(say(text)) as provider:
        assert (await agent.run(Step(tmp_path), asks(provider, output=VERDICT))).output == {"ok": True}


async def test_an_answer_need_not_be_an_object(agent: Agent, tmp_path: Path) -> None:
    schema = {"type": "array", "items": {"$ref": "#/$defs/N"}, "$defs": {"N": {"type": "integer"}}}
    wrong = call("final_result", {"value": ["x"]})
    async with Provider(wrong, call("final_result", [1]), call("final_result", {"value": [1, 2]})) as provider:
        assert (await agent.run(Step(tmp_path), asks(provider, output=schema))).output == [1, 2]


async def test_calls_beside_an_answer_are_not_made(agent: Agent, tmp_path: Path) -> None:
    both = calls(("a", "weigh", {"thing": "cat"}), ("b", "final_result", {"ok": 3}))
    async with Provider(both, call("final_result", {"ok": True})) as provider:
        await agent.run(Step(tmp_path), asks(provider, output=VERDICT, tools=[WEIGH]))
    assert made == []
    assert roles(provider.bodies[1]) == ["user", "assistant", "tool", "tool"], "every call of a model is answered"
    first, second = (message["content"] for message in provider.bodies[1]["messages"][2:])
    assert "not called" in first
    assert "does not fit" in second


async def test_a_text_that_was_cut_off_says_so(agent: Agent, tmp_path: Path) -> None:
    async with Provider(say("Once upon a", finish="length")) as provider:
        done = await agent.run(Step(tmp_path), asks(provider, max_tokens=4))
    assert done.output == {"text": "Once upon a", "truncated": True}


# -------------------------------------------------------------------------------------------------------- what goes wrong

ENDS: list[tuple[Any, dict[str, Any], type[PenstockError], str, int]] = [
    (fails(404), {}, Invalid, "model.unknown", 1),
    (fails(401), {}, Refused, "model.bad_key", 1),
    (fails(429), {}, Unavailable, "model.rate_limited", 4),
    (fails(500), {}, Unavailable, "model.unavailable", 4),
    (Said(raw=b"{}"), {}, Unavailable, "model.bad_response", 4),
    (say("x"), {"model": "opnai:gpt-5"}, Invalid, "model.unknown", 0),
    (say("x"), {"model": "scripted:nobody", "base_url": None}, NotFound, "model.no_script", 0),
    (say("x"), {"api_key_secret": "MINE"}, Refused, "model.no_key", 0),
    (say("x"), {"tools": [{"function": "nobody"}]}, Invalid, "function.unknown", 0),
    (say("x"), {"tools": [{"server": "nobody"}]}, NotFound, "tool.no_server", 0),
    (say("x"), {"tools": [{"server": "odd", "tool": "nobody"}]}, NotFound, "tool.unknown", 0),
    (say("x"), {"output": {"type": "objekt"}}, Invalid, "agent.bad_schema", 0),
    (say("{}"), {"output": {"$ref": "https://example.org/schema"}}, Invalid, "agent.bad_schema", 1),
    (say("{}"), {"output": {"$ref": "#/schemas/Verdict"}}, Invalid, "agent.bad_schema", 1),
    (call("final_result", {"value": 1}), {"output": {"not": {}}}, StepFailed, "agent.bad_answer", 3),
    (call("final_result", {"value": 1}), {"output": False, "repairs": 0}, StepFailed, "agent.bad_answer", 1),
    (say(" "), {}, StepFailed, "agent.bad_answer", 3),
    (call("weigh", {"thing": "cat"}), {"tools": [WEIGH], "max_turns": 6}, StepFailed, "agent.loop", 5),
    (
        call("weigh", {"thing": "cat"}),
        {"tools": [WEIGH], "max_turns": 6, "same_calls": 0},
        StepFailed,
        "agent.max_turns",
        6,
    ),
    (call("nobody", {}), {"max_turns": 4}, StepFailed, "agent.max_turns", 4),
    (call("big", {}), {"tools": [{"function": "big"}]}, TooLarge, "tool.result_too_large", 1),
    (call("hangs", {}), {"tools": [{"function": "hangs"}], "tool_seconds": 0.05}, TimedOut, "tool.timeout", 1),
    (
        call("sleeps", {"seconds": 60}),
        {"tools": [{"server": "odd", "tool": "sleeps"}], "tool_seconds": 0.2},
        TimedOut,
        "tool.timeout",
        1,
    ),
    (
        call("big", {"size": 10_000_000}),
        {"tools": [{"server": "odd", "tool": "big"}]},
        TooLarge,
        "tool.result_too_large",
        1,
    ),
    (call("dies", {}), {"tools": [{"server": "odd", "tool": "dies"}]}, Unavailable, "tool.server_died", 1),
]


@pytest.mark.parametrize(
    ("answer", "more", "kind", "code", "asked"), ENDS, ids=[f"{e[3]}-{n}" for n, e in enumerate(ENDS)]
)
async def test_trouble_has_a_name(
    agent: Agent, tmp_path: Path, answer: Said, more: dict[str, Any], kind: type[PenstockError], code: str, asked: int
) -> None:
    async with Provider(answer) as provider, asyncio.timeout(10):
        with pytest.raises(kind) as caught:
            await agent.run(Step(tmp_path), asks(provider, **more))
        assert (caught.value.code, len(provider.bodies)) == (code, asked)


def test_a_schema_fetches_nothing() -> None:
    fetched: list[str] = []

    class Schemas(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fetched.append(self.path)
            self.send_error(404)

    with ThreadingHTTPServer(("127.0.0.1", 0), Schemas) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        schema = {"$ref": f"http://127.0.0.1:{server.server_port}/schema"}
        with pytest.raises(Invalid):
            Answer(schema).read(Reply("{}"))
        server.shutdown()
    assert fetched == []


async def test_a_failed_call_is_not_kept(agent: Agent, tmp_path: Path) -> None:
    async with Provider(fails(400), say("well")) as provider:
        step = Step(tmp_path)
        with pytest.raises(Invalid):
            await agent.run(step, asks(provider))
        assert step.kept == {}
        assert (await agent.run(step, asks(provider))).output == {"text": "well"}


async def test_a_limit_refuses_before_the_request(agent: Agent, tmp_path: Path) -> None:
    async with Provider(say("x")) as provider:
        for allowance in ({"tokens": 20.0}, {"usd": 0.0001}, {"iterations": 0.0}):
            with pytest.raises(Refused) as caught:
                await agent.run(Step(tmp_path, allowance=allowance), asks(provider))
            assert caught.value.code == f"limit.{next(iter(allowance))}"
        assert provider.bodies == []


async def test_what_a_request_took_beyond_its_reservation_is_charged(agent: Agent, tmp_path: Path) -> None:
    async with Provider(say("x", usage=(5_000, 2_000, 0))) as provider:
        step = Step(tmp_path)
        await agent.run(step, asks(provider))
        assert step.spent["tokens"] == 7_000
        tight = Step(tmp_path, allowance={"tokens": 6_999.0})
        with pytest.raises(Refused):
            await agent.run(tight, asks(provider))
        assert "model:1" in tight.kept, "what was paid for is kept"


# ---------------------------------------------------------------------------------------------------- streams and scripts


class LiveStep(Step):
    def live(self, piece: dict[str, Any]) -> None:
        self.__dict__.setdefault("pieces", []).append(piece)


async def test_pieces_come_live_where_somebody_listens(agent: Agent, tmp_path: Path) -> None:
    async with Provider(say("one two three four", cut=True), say("five six")) as provider:
        step = LiveStep(tmp_path)
        assert (await agent.run(step, asks(provider))).output == {"text": "five six"}
    pieces = step.__dict__["pieces"]
    assert {"turn": 1, "again": True} in pieces
    after = pieces[pieces.index({"turn": 1, "again": True}) + 1 :]
    assert "".join(piece["text"] for piece in after) == "five six"
    again = LiveStep(tmp_path, kept=step.kept)
    await agent.run(again, asks(provider))
    assert "pieces" not in again.__dict__, "what was kept is not streamed again"


@pytest.mark.parametrize("kind", [Step, LiveStep])
async def test_cancelling_a_step_hangs_up(agent: Agent, tmp_path: Path, kind: type[Step]) -> None:
    async with Provider(say("one two three", pause=asyncio.Event())) as provider:
        task = asyncio.ensure_future(agent.run(kind(tmp_path), asks(provider)))
        await provider.asked.wait()
        task.cancel()
        async with asyncio.timeout(1):
            await provider.hung_up.wait()
        assert (provider.gone, len(provider.bodies)) == (1, 1)
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_script_needs_no_key_and_says_what_it_is(agent: Agent, tmp_path: Path) -> None:
    step = Step(tmp_path)
    script = [{"call": {"weigh": {"thing": "cat"}}}, {"output": {"ok": True}}]
    config = AgentConfig(instructions="Weigh it.", output=VERDICT, tools=[WEIGH], script=script)
    assert (await agent.run(step, config)).output == {"ok": True}
    assert made == [{"thing": "cat"}]
    assert all("a script, no model was asked" in note for note in step.notes if "tokens" in note)
    assert step.kept["model:1"]["cost_usd"] == "0"
    assert (await agent.run(Step(tmp_path), AgentConfig(instructions="Hm?"))).output["text"].startswith("[scripted]")
    done = await agent.run(Step(tmp_path), AgentConfig(instructions="Hm?", output=VERDICT))
    assert done.output["ok"] is True
