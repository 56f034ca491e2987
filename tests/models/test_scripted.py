"""The scripted model: the same every time, goes on where it was, fails when told to, and says what it is."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from penstock.errors import Invalid, NotFound, PenstockError, Refused, TimedOut, Unavailable
from penstock.models.port import FINAL, Asked, Call, Delta, Reply, Request, Result, Results, ToolSpec, Usage
from penstock.models.prices import Prices
from penstock.models.registry import Models
from penstock.models.scripted import Scripted, smallest

pytestmark = pytest.mark.anyio


async def no_secret(name: str) -> str:
    raise NotFound(name)


def final(schema: dict[str, Any]) -> ToolSpec:
    return ToolSpec(FINAL, "", schema)


async def play(model: Any, *tools: ToolSpec, turns: int = 1) -> list[Reply]:
    said: list[Any] = [Asked("Why?")]
    out: list[Reply] = []
    for _ in range(turns):
        out.append(await model.request(Request(tuple(said), tools=tools)))
        results = tuple(Result(call.id, call.name, "fine") for call in out[-1].calls)
        said += [out[-1], Results(results) if results else Asked("go on")]
    return out


async def test_a_script_is_played_turn_by_turn_and_marked() -> None:
    model = Scripted("scripted:", ["hello", {"call": {"a": {"x": 1}, "b": None}, "say": "wait"}, {"say": "done"}])
    first, second, third, beyond = await play(model, turns=4)
    assert (first.text, third.text) == ("[scripted] hello", "[scripted] done")
    assert [(c.id, c.name, c.arguments) for c in second.calls] == [("call-2-1", "a", {"x": 1}), ("call-2-2", "b", {})]
    assert (second.finish, first.model) == ("tool_call", "scripted:")
    assert "[scripted] No model was asked" in beyond.text
    assert first.usage.input_tokens > 0


async def test_it_goes_on_by_what_was_said_and_not_by_what_it_remembers() -> None:
    script = ["one", "two"]
    history = (Asked("?"), Reply("[scripted] one"), Asked("go on"))
    assert (await Scripted("scripted:", script).request(Request(history))).text == "[scripted] two"


async def test_it_streams() -> None:
    pieces = [p async for p in Scripted("scripted:", ["a text of more than one piece"]).stream(Request((Asked("?"),)))]
    reply = pieces.pop()
    assert isinstance(reply, Reply)
    assert len(pieces) > 1
    assert "".join(p.text for p in pieces if isinstance(p, Delta)) == reply.text


async def test_a_final_answer_uses_the_schemas_tool_or_is_text() -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
    (reply,) = await play(Scripted("scripted:", [{"output": {"ok": True}}]), final(schema))
    assert reply.calls == (Call("call-1-final", FINAL, {"ok": True}),)
    (reply,) = await play(Scripted("scripted:", [{"output": [1]}]), ToolSpec(FINAL, "", {}, wrapped=True))
    assert reply.calls[0].arguments == {"value": [1]}
    (reply,) = await play(Scripted("scripted:", [{"output": {"ok": True}}]))
    assert reply.text == '{"ok":true}'


SCHEMAS = [
    {"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "string"}, "b": {"enum": ["x", "y"]}}},
    {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}, "l": {"type": "array", "minItems": 2}}},
    {"type": "object", "required": ["v"], "properties": {"v": {"$ref": "#/$defs/V"}}, "$defs": {"V": {"const": 7}}},
    {"type": "object", "required": ["u"], "properties": {"u": {"anyOf": [{"type": "null"}, {"type": "string"}]}}},
    {"type": "object", "required": ["t"], "properties": {"t": {"type": ["number", "null"], "exclusiveMinimum": 0}}},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=range(len(SCHEMAS)))
async def test_without_a_script_it_answers_in_the_schema(schema: dict[str, Any]) -> None:
    (reply,) = await play(Scripted(), final(schema))
    assert reply.calls[0].arguments is not None
    Draft202012Validator(schema).validate(reply.calls[0].arguments)


async def test_a_schema_without_end_ends() -> None:
    loop = {"$ref": "#/$defs/L", "$defs": {"L": {"type": "object", "properties": {"next": {"$ref": "#/$defs/L"}}}}}
    assert isinstance(smallest(loop, loop), dict)


FAILS: list[tuple[dict[str, Any], type[PenstockError], str]] = [
    ({"fail": 429}, Unavailable, "model.rate_limited"),
    ({"fail": 500}, Unavailable, "model.unavailable"),
    ({"fail": 401}, Refused, "model.bad_key"),
    ({"fail": 400}, Invalid, "model.bad_request"),
    ({"fail": "timeout"}, TimedOut, "model.timeout"),
    ({"fail": "connection"}, Unavailable, "model.unavailable"),
    ({"fail": "malformed"}, Unavailable, "model.bad_response"),
]


@pytest.mark.parametrize(("turn", "kind", "code"), FAILS, ids=lambda v: v if isinstance(v, str) else "")
async def test_it_fails_on_demand(turn: dict[str, Any], kind: type[PenstockError], code: str) -> None:
    with pytest.raises(kind) as caught:
        await play(Scripted("scripted:", [turn]))
    assert caught.value.code == code
    assert "[scripted]" in caught.value.message or "script" in caught.value.message


async def test_a_failure_passes_when_the_script_says_so() -> None:
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    models = Models(sleep=nap, chance=lambda: 0.5)
    script = [{"fail": 503, "times": 2, "say": "at last"}]
    model = await models.model("scripted:", no_secret, script=script)
    assert (await model.request(Request((Asked("?"),)))).text == "[scripted] at last"
    assert naps == [2.0, 4.0]


async def test_scripts_have_names() -> None:
    models = Models(scripts={"greet": ["hello"]})
    assert (await play(await models.model("scripted:greet", no_secret)))[0].text == "[scripted] hello"
    with pytest.raises(NotFound, match="known: scripted:greet") as caught:
        await models.model("scripted:gret", no_secret)
    assert caught.value.code == "model.no_script"


BAD = ["text", [3], [{}], [{"sya": "x"}], [{"call": ["a"]}], [{"fail": "often"}], [{"say": "x"}, {"times": 2}]]


@pytest.mark.parametrize("script", BAD, ids=range(len(BAD)))
async def test_a_bad_script_is_refused_with_its_place(script: Any) -> None:
    with pytest.raises(Invalid) as caught:
        Scripted("scripted:", script)
    assert caught.value.code == "model.bad_script"


# ------------------------------------------------------------------------------------------------------------- prices


def test_prices_are_exact_and_can_be_replaced() -> None:
    prices = Prices({"openai:gpt-5": {"input": "2", "output": "0.3"}, "mine:m": {"input": 1, "output": 1}})
    assert prices.cost("openai:gpt-5", Usage(3, 1, 1)) == Decimal("0.0000063")
    assert prices.cost("mine:m", Usage(1, 0)) == Decimal("0.000001")
    assert len(prices.as_of) == 10


def test_long_prompts_cost_more_where_the_provider_says_so() -> None:
    own = {"m:x": {"input": "1", "output": "2", "above": {"100": {"input": "10"}}}}
    prices = Prices(own)
    assert prices.cost("m:x", Usage(100, 1)) == Decimal("0.000102")
    assert prices.cost("m:x", Usage(101, 1)) == Decimal("0.001012")


@pytest.mark.parametrize(
    "row", [{}, {"input": 1}, {"input": -1, "output": 1}, {"input": "x", "output": 1}, 3, {"inptu": 1}]
)
def test_a_wrong_price_is_refused(row: Any) -> None:
    with pytest.raises(Invalid) as caught:
        Prices({"a:b": row})
    assert (caught.value.code, caught.value.problems[0].pointer) == ("prices.invalid", "/a:b")


def test_the_whole_table_can_be_read() -> None:
    from penstock.models.prices import _table

    prices = Prices()
    for name in _table()["models"]:
        price = prices.price(name)
        assert price is not None
        assert price.cost(Usage(1_000, 1_000)) >= 0


def test_the_library_is_imported_by_who_needs_it() -> None:
    code = (
        "import sys, penstock.app, penstock.models.registry, penstock.nodes.agent\n"
        "heavy = [m for m in ('pydantic_ai', 'openai', 'genai_prices') if m in sys.modules]\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
