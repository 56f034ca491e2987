"""Our own client for Chat Completions: it says what the library says, understands as much, and believes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from tests.models.server import Answer, Provider, call, calls, fails, say, whole

from penstock.errors import Invalid, PenstockError, Refused, Unavailable
from penstock.models import chat
from penstock.models.chat import Chat
from penstock.models.chat_answer import Tagged
from penstock.models.chat_asked import Manners
from penstock.models.library import LibraryBacked, _openai_shaped, open_model
from penstock.models.port import Asked, Call, Delta, Reply, Request, Result, Results, ToolSpec, Usage

pytestmark = pytest.mark.anyio

OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
STRICT = {**OBJECT, "additionalProperties": False}
NESTED = {
    "type": "object",
    "properties": {"p": {"$ref": "#/$defs/P"}, "d": {"type": "string", "format": "date", "default": "x"}},
    "$defs": {"P": OBJECT},
    "title": "T",
}
ADD, HOLD, NEST = (ToolSpec(n, "Adds.", s) for n, s in (("add", OBJECT), ("hold", STRICT), ("nest", NESTED)))
ASK = Request((Asked("Add."),))
TURNS = (
    Asked("Add."),
    Reply("Let me see.", (Call("c1", "add", {"a": 1}), Call("c2", "add", None, "{oops"), Call("c3", "add", {}))),
    Results((Result("c1", "add", "2"), Result("c2", "add", "nö", failed=True), Result("c3", "add", ""))),
    Reply(),
    Asked("Go on."),
    Reply("so"),
    Asked("And?"),
)
TALKS = [
    Request((Asked("Hällo 🎈"),), system="Be brief.", temperature=0.5, max_tokens=50),
    Request(TURNS, system="Be brief.", tools=(ADD, HOLD, NEST), key="run:step:1"),
    Request(TURNS[:3], tools=(ADD,), must_call=True, temperature=0.0),
]
MODELS = [
    *(
        ("openai", name)
        for name in ("gpt-5", "gpt-4.1", "gpt-5.1", "o3", "o1-mini", "local", "qwen/qwen3", "mistral/m")
    ),
    *(("deepseek", name) for name in ("deepseek-chat", "deepseek-reasoner", "deepseek-v4-pro")),
    *(("ollama", name) for name in ("llama4", "qwen3", "gpt-oss:20b")),
]


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(follow_redirects=False) as client:
        yield client


def ours(provider: Provider, http: httpx2.AsyncClient, name: str = "openai:gpt-4.1", key: str = "sk-x") -> Chat:
    kind, _, model = name.partition(":")
    made = open_model(kind, model, key, provider.url, http)
    assert isinstance(made, Chat)
    return made


async def streamed(model: Any, request: Request = ASK) -> tuple[str, Reply]:
    text = ""
    async for piece in model.stream(request):
        if isinstance(piece, Reply):
            return text, piece
        assert isinstance(piece, Delta)
        text += piece.text
    raise AssertionError("a stream without an end")


def message(**more: Any) -> Answer:
    body = whole(say("so"), 1)
    body["choices"][0]["message"] = {"role": "assistant", "content": "so", **more}
    return Answer(raw=json.dumps(body).encode())


def events(*pieces: dict[str, Any] | str, ends: str = "\n\n") -> Answer:
    lines = [piece if isinstance(piece, str) else f"data: {json.dumps(piece)}" for piece in pieces]
    return Answer(raw="".join(line + ends for line in lines).encode(), headers={"content-type": "text/event-stream"})


def piece(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


# ------------------------------------------------------------------------------------------------- as the library does


@pytest.mark.filterwarnings("ignore:Sampling parameters")
@pytest.mark.parametrize("address", ["theirs", "own"])
@pytest.mark.parametrize(("kind", "name"), MODELS, ids=lambda v: v)
async def test_what_is_sent_is_what_the_library_sends(
    http: httpx2.AsyncClient, kind: str, name: str, address: str
) -> None:
    async with Provider(say("so")) as provider:
        if address == "own":  # the library's knowledge of api.openai.com goes with the address
            host = {"openai": "https://api.openai.com/v1", "deepseek": "https://api.deepseek.com"}.get(kind)
            if host is None:
                return
            library = _openai_shaped(kind, name, "sk-x", host, http)
            made = open_model(kind, name, "sk-x", host, http)
            assert isinstance(made, Chat)
            model = Chat(f"{kind}:{name}", name, "sk-x", provider.url, http, made._manners)
            library.client.base_url = provider.url  # pyright: ignore[reportAttributeAccessIssue]
        else:
            library = _openai_shaped(kind, name, "sk-x", provider.url, http)
            model = ours(provider, http, f"{kind}:{name}")
        oracle = LibraryBacked(f"{kind}:{name}", library, "sk-x", insists=False)
        for talk in TALKS:
            await oracle.request(talk)
            await model.request(talk)
            await streamed(oracle, talk)
            await streamed(model, talk)
    for theirs, mine in zip(provider.bodies[::2], provider.bodies[1::2], strict=True):
        assert mine == theirs
    for theirs, mine in zip(provider.headers[::2], provider.headers[1::2], strict=True):
        assert {n: mine.get(n) for n in ("authorization", "idempotency-key", "content-type")} == {
            n: theirs.get(n) for n in ("authorization", "idempotency-key", "content-type")
        }


ANSWERS = [
    say("hello", usage=(100, 7, 64)),
    say("cut short", finish="length"),
    say("odd", finish="guardrail_intervened"),
    call("add", {"a": 3}),
    call("add", "{oops"),
    call("add", ""),
    call("add", "[1]"),
    calls(("x", "add", {"a": 1}), ("x", "add", {"a": 2}), text="two of them"),
    say("<think>hm</think>done"),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
async def test_what_is_understood_is_what_the_library_understands(http: httpx2.AsyncClient, answer: Answer) -> None:
    async with Provider(answer) as provider:
        library = _openai_shaped("openai", "gpt-4.1", "k", provider.url, http)
        theirs = await LibraryBacked("openai:gpt-4.1", library, "k", insists=False).request(ASK)
        model = ours(provider, http)
        mine = await model.request(ASK)
        text, again = await streamed(model)
    assert (mine.text, mine.calls, mine.usage, mine.finish, mine.model) == (
        *(theirs.text, theirs.calls, theirs.usage, theirs.finish, theirs.model),
    )
    assert (mine.seen is None) == (theirs.seen is None)
    assert again == mine, "a stream comes to the same"
    assert text == mine.text


# -------------------------------------------------------------------------------------------- what only they understand


async def test_thoughts_go_back_where_they_came_from(http: httpx2.AsyncClient) -> None:
    stream = [
        piece(reasoning_content="hm, "),
        piece(reasoning_content="a number"),
        piece(content="\n\nso"),
        piece("stop"),
    ]
    for answer, ask in ((message(reasoning_content="hm, a number"), "request"), (events(*stream), "stream")):
        for name, field in (("deepseek:deepseek-reasoner", "reasoning_content"), ("openai:local", "reasoning_content")):
            async with Provider(answer, say("done")) as provider:
                model = ours(provider, http, name)
                reply = await model.request(ASK) if ask == "request" else (await streamed(model))[1]
                assert reply.text == "so"
                kept = Reply.from_json(json.loads(json.dumps(reply.to_json())))
                await model.request(Request((*ASK.turns, kept, Asked("And?"))))
            assert provider.bodies[1]["messages"][1][field] == "hm, a number"


async def test_thoughts_within_the_text_are_not_the_answer_and_go_back_as_they_were(http: httpx2.AsyncClient) -> None:
    async with Provider(say("<think>hm, 1 < 2</think>\n\nso it is"), say("done")) as provider:
        model = ours(provider, http, "openai:qwen/qwen3")
        text, reply = await streamed(model)
        assert text == reply.text == "so it is"
        await model.request(Request((*ASK.turns, Reply.from_json(reply.to_json()), Asked("And?"))))
    assert provider.bodies[1]["messages"][1]["content"] == "<think>hm, 1 < 2</think>\n\nso it is"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_tags_are_found_however_the_text_is_cut(size: int) -> None:
    text = "a < b <thi> <think>no</thin> <</think> yes <think>open"
    tagged = Tagged("<think>", "</think>")
    shown = "".join(tagged.feed(text[at : at + size]) for at in range(0, len(text), size)) + tagged.rest()
    assert shown == "a < b <thi>  yes open"


async def test_what_was_added_to_a_call_goes_back_with_it(http: httpx2.AsyncClient) -> None:
    function = {"name": "add", "arguments": "{}"}
    extra = {"google": {"thought_signature": "s1"}}
    given = [{"id": "a", "function": function}, {"id": "b", "function": function, "extra_content": extra}]
    async with Provider(message(tool_calls=given), say("done")) as provider:
        model = ours(provider, http, "openai:gemini")
        reply = Reply.from_json((await model.request(ASK)).to_json())
        await model.request(Request((*ASK.turns, reply, Results((Result("a", "add", "1"), Result("b", "add", "2"))))))
    sent = provider.bodies[1]["messages"][1]["tool_calls"]
    assert [one.get("extra_content") for one in sent] == [None, extra]


async def test_answers_that_the_library_kept_still_go_back(http: httpx2.AsyncClient) -> None:
    async with Provider(call("add", {"a": 1}), say("done")) as provider:
        provider._answers[0] = message(
            reasoning_content="hm",
            tool_calls=[{"id": "a", "type": "function", "function": {"name": "add", "arguments": "{}"}}],
        )
        library = _openai_shaped("deepseek", "deepseek-reasoner", "k", provider.url, http)
        kept = await LibraryBacked("deepseek:deepseek-reasoner", library, "k", insists=False).request(ASK)
        assert kept.seen["parts"], "the form of the library"
        again = Request((*ASK.turns, Reply.from_json(kept.to_json()), Results((Result("a", "add", "1"),))))
        await ours(provider, http, "deepseek:deepseek-reasoner").request(again)
    assert provider.bodies[1]["messages"][1]["reasoning_content"] == "hm"


async def test_calls_without_thoughts_say_so_once_others_have_them(http: httpx2.AsyncClient) -> None:
    thought = Reply("", (Call("a", "add", {}),), seen={"thought": {"reasoning": "hm"}})
    bare = Reply("", (Call("b", "add", {}),))
    turns = (Asked("?"), thought, Results((Result("a", "add", "1"),)), bare, Results((Result("b", "add", "1"),)))
    async with Provider(say("done")) as provider:
        await ours(provider, http, "openai:local").request(Request(turns))
    assert [m.get("reasoning") for m in provider.bodies[0]["messages"] if m["role"] == "assistant"] == ["hm", ""]


# --------------------------------------------------------------------------------------------------- odd, and hostile


async def test_streams_of_many_kinds_of_servers(http: httpx2.AsyncClient) -> None:
    same_place = [
        piece(tool_calls=[{"index": 0, "id": "a", "function": {"name": "add", "arguments": '{"a":'}}]),
        piece(tool_calls=[{"index": 0, "function": {"arguments": " 1}"}}]),
        piece(tool_calls=[{"index": 0, "id": "b", "function": {"name": "add", "arguments": '{"a": 2}'}}]),
        piece("tool_calls"),
    ]
    no_place = [
        piece(tool_calls=[{"id": "a", "function": {"name": "add", "arguments": '{"a":'}}]),
        piece(tool_calls=[{"id": "a", "function": {"name": "add", "arguments": " 1}"}}]),
        piece(tool_calls=[{"id": "b", "function": {"name": "add", "arguments": {"a": 2}}}]),
        piece("tool_calls"),
    ]
    wanted = (Call("a", "add", {"a": 1}), Call("b", "add", {"a": 2}))
    for pieces in (same_place, no_place):
        async with Provider(events(*pieces, "data: [DONE]")) as provider:
            assert (await streamed(ours(provider, http)))[1].calls == wanted
    odd = [": hello", "event: x\r\ndata:" + json.dumps(piece(content=[{"type": "text", "text": "ä"}])), piece("stop")]
    async with Provider(events(*odd, ends="\r\n\r\n")) as provider:
        assert (await streamed(ours(provider, http)))[0] == "ä"
    async with Provider(message()) as provider:  # it does not stream
        text, reply = await streamed(ours(provider, http))
        assert text == reply.text == "so"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        Answer(raw=b""),
        Answer(raw=b"[]"),
        Answer(raw=b'{"choices": {}}'),
        Answer(raw=b'{"choices": [1]}'),
        Answer(raw=b'{"choices": [{"message": "x", "finish_reason": "stop"}]}'),
        message(tool_calls=[{"id": "a"}]),
        message(tool_calls=[{"id": "a", "function": {"arguments": "{}"}}]),
        message(tool_calls=["x"]),
        message(tool_calls=7),
        Answer(raw=json.dumps({**whole(say("x"), 1), "usage": {"prompt_tokens": "many"}}).encode()),
        Answer(raw=json.dumps({**whole(say("x"), 1), "usage": {"prompt_tokens": -1}}).encode()),
        Answer(raw=json.dumps({**whole(say("", usage=(5, 0, 0)), 1)}).encode()),
        events(piece(content="half")),
        events(piece(content="half"), "data: {oops"),
        events("data: 7"),
    ],
    ids=range(15),
)
async def test_what_is_no_answer_is_said_to_be_none(http: httpx2.AsyncClient, answer: Answer, stream: bool) -> None:
    async with Provider(answer) as provider:
        model = ours(provider, http)
        with pytest.raises(Unavailable) as caught:
            await (streamed(model) if stream else model.request(ASK))
    assert (caught.value.code, caught.value.retryable) == ("model.bad_response", True)


async def test_a_call_with_numbers_that_json_has_not_is_no_object(http: httpx2.AsyncClient) -> None:
    async with Provider(call("add", '{"a": NaN}')) as provider:
        assert (await ours(provider, http).request(ASK)).calls == (Call("c1", "add", None, '{"a": NaN}'),)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_without_end_is_left_and_its_connection_with_it(
    monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    monkeypatch.setattr(chat, "LONGEST", 2_000)
    long = events(*(piece(content="x" * 100) for _ in range(50))) if stream else message(content="x" * 5_000)
    request = Request((Asked("?"),), seconds=10)
    async with httpx2.AsyncClient(limits=httpx2.Limits(max_connections=1)) as http, Provider(long) as provider:
        model = ours(provider, http)
        for _ in range(2):
            with pytest.raises(Unavailable, match="more than 2000 bytes") as caught:
                await (streamed(model, request) if stream else model.request(request))
            assert caught.value.code == "model.bad_response"


ERRORS = [
    ({"message": "full", "code": "server_is_overloaded"}, Unavailable, "model.unavailable"),
    ({"message": "slow down", "type": "rate_limit_error"}, Unavailable, "model.rate_limited"),
    ({"message": "upstream", "code": 502}, Unavailable, "model.unavailable"),
    ({"message": "pay", "code": "insufficient_quota"}, Refused, "model.no_credit"),
    ({"message": "This model's maximum context length is 10"}, Invalid, "model.too_long"),
    ({"message": "?", "code": "model_not_found"}, Invalid, "model.unknown"),
    ({"message": "?", "code": "invalid_api_key"}, Refused, "model.bad_key"),
    ("who knows", Unavailable, "model.bad_response"),
]


@pytest.mark.parametrize(("error", "kind", "code"), ERRORS, ids=lambda v: v if isinstance(v, str) else "")
async def test_an_error_in_the_place_of_an_answer_is_an_error(
    http: httpx2.AsyncClient, error: Any, kind: type[PenstockError], code: str
) -> None:
    for answer, stream in (
        (Answer(raw=json.dumps({"error": error}).encode()), False),
        (events(piece(content="ha"), {"error": error}), True),
    ):
        async with Provider(answer) as provider:
            model = ours(provider, http)
            with pytest.raises(kind) as caught:
                await (streamed(model) if stream else model.request(ASK))
        assert caught.value.code == code


async def test_what_the_model_refuses_is_refused(http: httpx2.AsyncClient) -> None:
    refusals = [message(content=None, refusal="I will not"), say("half", finish="content_filter")]
    for answer in [*refusals, events(piece(refusal="I "), piece(refusal="will not"))]:
        async with Provider(answer) as provider:
            model = ours(provider, http)
            for asked in (model.request(ASK), streamed(model)):
                if answer.raw and answer.headers and asked.__name__ == "request":
                    asked.close()
                    continue
                with pytest.raises(Refused) as caught:
                    await asked
                assert caught.value.code == "model.content_filtered"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after_ms": "1500", "retry_after": "9"}, 1.5),
        ({"retry_after": "Fri, 20 Nov 2026 10:00:30 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry_after": "Fri, 20 Nov 2026 10:00:00 GMT", "date": "Fri, 20 Nov 2026 10:00:30 GMT"}, 0.0),
        ({"retry_after": "soon"}, None),
        ({"retry_after_ms": "nan"}, None),
        ({"retry_after_ms": "1e999"}, None),
        ({}, None),
    ],
)
async def test_how_long_to_wait(http: httpx2.AsyncClient, headers: dict[str, str], wait: float | None) -> None:
    async with Provider(fails(429, **headers)) as provider:
        with pytest.raises(Unavailable) as caught:
            await ours(provider, http).request(ASK)
    assert caught.value.detail.get("retry_after") == wait


async def test_a_redirect_is_not_followed_with_the_key(http: httpx2.AsyncClient) -> None:
    async with (
        Provider(say("caught")) as thief,
        Provider(fails(307, location=f"{thief.url}/chat/completions")) as provider,
    ):
        with pytest.raises(Invalid) as caught:
            await ours(provider, http).request(ASK)
    assert (caught.value.code, thief.bodies) == ("model.bad_request", [])


async def test_no_error_holds_the_key(http: httpx2.AsyncClient) -> None:
    key = "sk-canary-123"
    told = [
        fails(401, f"wrong key {key}"),
        fails(500, f"{key} {key}"),
        Answer(status=400, raw=f"<html>{key}".encode()),
        Answer(raw=json.dumps({"error": {"message": key}}).encode()),
        Answer(raw=json.dumps({"error": [key]}).encode()),
    ]
    for answer in told:
        async with Provider(answer) as provider:
            model = ours(provider, http, key=key)
            for asked in (model.request(ASK), streamed(model)):
                with pytest.raises(PenstockError) as caught:
                    await asked
                assert key not in json.dumps(caught.value.to_dict())
                assert caught.value.__cause__ is None
    for bad in ("sk-canary\n", "sk-canäry", "sk-\x00canary"):
        with pytest.raises(Refused) as caught:
            Chat("openai:x", "x", bad, "http://127.0.0.1:1/v1", http, Manners())
        assert (caught.value.code, bad.strip() in caught.value.message) == ("model.bad_key", False)


async def test_an_address_that_is_none(http: httpx2.AsyncClient) -> None:
    with pytest.raises(Invalid) as caught:
        open_model("openai", "x", "k", "http://127.0.0.1:port/v1", http)
    assert caught.value.code == "model.bad_request"


async def test_text_that_utf8_cannot_say_is_sent(http: httpx2.AsyncClient) -> None:
    request = Request((Asked("half \ud83d of one"),), tools=(ADD, ToolSpec("big", "", {"maximum": 2**70})))
    async with Provider(say("so")) as provider:
        assert (await ours(provider, http).request(request)).text == "so"
    assert provider.bodies[0]["messages"][0]["content"] == "half \ud83d of one"
    assert [tool["function"]["name"] for tool in provider.bodies[0]["tools"]] == ["add", "big"]


async def test_nothing_is_carried_from_one_key_to_the_next(http: httpx2.AsyncClient) -> None:
    answer = say("so", headers={"set-cookie": "who=me; Path=/"})
    async with Provider(answer) as provider:
        await ours(provider, http, key="one").request(ASK)
        await ours(provider, http, key="two").request(ASK)
    assert "cookie" not in provider.headers[1]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_connection_is_used_again(http: httpx2.AsyncClient, stream: bool) -> None:
    async with Provider(say("one two"), keeps=True) as provider:
        model = ours(provider, http)
        for _ in range(3):
            await (streamed(model) if stream else model.request(ASK))
        assert (len(provider.bodies), provider.connections) == (3, 1)


async def test_cancelled_connections_are_not_used_again(http: httpx2.AsyncClient) -> None:
    async with Provider(say("one two", pause=asyncio.Event()), say("three"), keeps=True) as provider:
        model = ours(provider, http)
        task = asyncio.ensure_future(model.request(ASK))
        await provider.asked.wait()
        task.cancel()
        async with asyncio.timeout(1):
            await provider.hung_up.wait()
        assert (await model.request(ASK)).text == "three"
        assert provider.connections == 2


async def test_usage_that_is_not_told_is_none(http: httpx2.AsyncClient) -> None:
    body = {k: v for k, v in whole(say("so"), 1).items() if k != "usage"}
    cached = {**body, "usage": {"prompt_tokens": 9, "completion_tokens": 3, "prompt_cache_hit_tokens": 4}}
    async with Provider(Answer(raw=json.dumps(body).encode()), Answer(raw=json.dumps(cached).encode())) as provider:
        model = ours(provider, http)
        assert (await model.request(ASK)).usage == Usage()
        assert (await model.request(ASK)).usage == Usage(9, 3, 4)
