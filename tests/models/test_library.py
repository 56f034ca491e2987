"""A real provider's client against a real HTTP server: what is sent, what is understood, what goes wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from decimal import Decimal
from typing import Any

import pytest
from tests.models.server import Answer, Provider, call, calls, fails, say, whole

from penstock.errors import Invalid, NotFound, PenstockError, Refused, TimedOut, Unavailable
from penstock.models.port import Asked, Call, Reply, Request, Result, Results, ToolSpec, Usage
from penstock.models.registry import Models

pytestmark = pytest.mark.anyio

ADD = ToolSpec("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
HELLO = Request((Asked("Say hello."),), system="Be brief.")


class Naps:
    """Sleep that takes no time and remembers how long it was asked to be."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
async def models(naps: Naps) -> AsyncIterator[Models]:
    given = Models(sleep=naps, chance=lambda: 0.5, clock=lambda: 0.0)
    yield given
    await given.aclose()


async def no_secret(name: str) -> str:
    raise NotFound(name)


async def opened(models: Models, provider: Provider, name: str = "openai:gpt-5", **more: Any) -> Any:
    return await models.model(name, no_secret, base_url=provider.url, **more)


async def streamed(model: Any, request: Request) -> tuple[list[str], Reply]:
    pieces: list[str] = []
    async with aclosing(model.stream(request)) as stream:
        async for piece in stream:
            if isinstance(piece, Reply):
                return pieces, piece
            pieces.append("<again>" if piece.again else piece.text)
    raise AssertionError("a stream without an end")


async def test_text_and_usage(models: Models) -> None:
    async with Provider(say("hello", usage=(100, 7, 64))) as provider:
        reply = await (await opened(models, provider)).request(HELLO)
    assert reply == Reply("hello", usage=Usage(100, 7, 64), model="test-model-2026")
    body = provider.bodies[0]
    assert body["model"] == "gpt-5"
    assert [m["content"] for m in body["messages"]] == ["Be brief.", "Say hello."]
    assert "tools" not in body


async def test_a_conversation_with_tools_is_sent_as_it_was(models: Models) -> None:
    turns = (
        Asked("Add."),
        Reply("Let me see.", (Call("c1", "add", {"a": 1}), Call("c2", "add", None, "{oops"))),
        Results((Result("c1", "add", "2"), Result("c2", "add", "not JSON", failed=True))),
    )
    request = Request(turns, tools=(ADD,), must_call=True, max_tokens=50, temperature=0.5, key="run:step:1")
    async with Provider(call("add", {"a": 3})) as provider:
        reply = await (await opened(models, provider, "openai:gpt-4.1")).request(request)
    assert reply.calls == (Call("c1", "add", {"a": 3}),)
    assert reply.finish == "tool_call"
    body = provider.bodies[0]
    said = body["messages"]
    assert [m["role"] for m in said] == ["user", "assistant", "tool", "tool"]
    assert [c["id"] for c in said[1]["tool_calls"]] == ["c1", "c2"]
    assert [(m["tool_call_id"], m["content"]) for m in said[2:]] == [("c1", "2"), ("c2", '{"error":"not JSON"}')]
    assert body["tools"][0]["function"]["name"] == "add"
    assert body["tool_choice"] == "required"
    assert provider.headers[0]["idempotency-key"] == "run:step:1"
    assert (body["max_completion_tokens"], body["temperature"]) == (50, 0.5)


async def test_a_stream_comes_in_pieces_and_ends_with_the_whole(models: Models) -> None:
    async with Provider(say("one two three"), calls(("x", "add", {"a": 1}), ("y", "add", {"a": 2}))) as provider:
        model = await opened(models, provider)
        pieces, reply = await streamed(model, HELLO)
        assert "".join(pieces) == reply.text == "one two three"
        assert len(pieces) == 3
        assert reply.usage == Usage(10, 5)
        _, reply = await streamed(model, HELLO)
    assert [(c.id, c.arguments) for c in reply.calls] == [("x", {"a": 1}), ("y", {"a": 2})]
    assert provider.bodies[0]["stream_options"]["include_usage"] is True


async def test_arguments_that_are_no_object_are_said_so(models: Models) -> None:
    async with Provider(call("add", "{oops"), call("add", "[1]")) as provider:
        model = await opened(models, provider)
        assert (await model.request(HELLO)).calls == (Call("c1", "add", None, "{oops"),)
        assert (await model.request(HELLO)).calls[0].arguments is None


async def test_a_reply_survives_being_kept(models: Models) -> None:
    async with Provider(calls(("x", "add", {"a": 1}), text="so", usage=(9, 8, 7))) as provider:
        reply = await (await opened(models, provider)).request(HELLO)
    assert Reply.from_json(json.loads(json.dumps(reply.to_json()))) == reply
    odd = Reply(calls=(Call("c", "add", None, "{oops"),), seen={"a": 1})
    assert Reply.from_json(json.loads(json.dumps(odd.to_json()))) == odd


async def test_what_only_the_provider_understands_goes_back_to_it(models: Models) -> None:
    thought = {"role": "assistant", "content": "so", "reasoning_content": "hm, a number"}
    first = whole(say("so"), 1)
    first["choices"][0]["message"] = thought
    async with Provider(Answer(raw=json.dumps(first).encode()), say("done")) as provider:
        model = await opened(models, provider, "deepseek:deepseek-reasoner")
        reply = await model.request(HELLO)
        assert (reply.text, reply.seen is None) == ("so", False)
        kept = Reply.from_json(json.loads(json.dumps(reply.to_json())))
        await model.request(Request((*HELLO.turns, kept, Asked("And?"))))
    assert provider.bodies[1]["messages"][1]["reasoning_content"] == "hm, a number"


FINAL = [
    (fails(400, "bad"), Invalid, "model.bad_request"),
    (fails(422, "bad"), Invalid, "model.bad_request"),
    (fails(401, "key?"), Refused, "model.bad_key"),
    (fails(403, "no"), Refused, "model.bad_key"),
    (fails(404, "who?"), Invalid, "model.unknown"),
    (fails(400, "too long", "context_length_exceeded"), Invalid, "model.too_long"),
    (fails(429, "pay", "insufficient_quota"), Refused, "model.no_credit"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("answer", "kind", "code"), FINAL, ids=lambda v: v if isinstance(v, str) else "")
async def test_what_will_not_get_better_is_asked_once(
    models: Models, naps: Naps, answer: Answer, kind: type[PenstockError], code: str, stream: bool
) -> None:
    async with Provider(answer) as provider:
        model = await opened(models, provider)
        with pytest.raises(kind) as caught:
            await (streamed(model, HELLO) if stream else model.request(HELLO))
    assert (caught.value.code, caught.value.retryable, len(provider.bodies), naps.taken) == (code, False, 1, [])


AGAIN = [
    (fails(429), Unavailable, "model.rate_limited"),
    (fails(500), Unavailable, "model.unavailable"),
    (fails(503), Unavailable, "model.unavailable"),
    (Answer(raw=b"<html>not JSON"), Unavailable, "model.bad_response"),
    (Answer(raw=b'{"choices": []}'), Unavailable, "model.bad_response"),
    (say("half of", cut=True), Unavailable, None),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("answer", "kind", "code"), AGAIN, ids=lambda v: v if isinstance(v, str) else "")
async def test_what_may_get_better_is_asked_again_after_2_4_and_8_seconds(
    models: Models, naps: Naps, answer: Answer, kind: type[PenstockError], code: str | None, stream: bool
) -> None:
    async with Provider(answer) as provider:
        model = await opened(models, provider)
        with pytest.raises(kind) as caught:
            await (streamed(model, HELLO) if stream else model.request(HELLO))
        assert len(provider.bodies) == 4
    assert code is None or caught.value.code == code
    assert caught.value.code in ("model.rate_limited", "model.unavailable", "model.bad_response")
    assert caught.value.retryable
    assert naps.taken == [2.0, 4.0, 8.0]
    assert "4 attempts" in caught.value.message


async def test_an_answer_of_another_protocol_is_no_answer(models: Models) -> None:
    async with Provider(say("chat, not responses")) as provider:
        with pytest.raises(Unavailable) as caught:
            await (await opened(models, provider, "openai-responses:gpt-5")).request(HELLO)
    assert caught.value.code == "model.bad_response"


async def test_a_client_that_breaks_ends_the_step_once(models: Models, naps: Naps) -> None:
    model = await models.model("openai:gpt-5", no_secret, base_url="http://127.0.0.1:1/v1")
    await models.aclose()
    with pytest.raises(Unavailable) as caught:
        await model.request(HELLO)
    assert (caught.value.code, caught.value.retryable, naps.taken) == ("model.client_failed", False, [])


async def test_it_gets_well_again(models: Models, naps: Naps) -> None:
    told: list[str] = []

    async def tell(line: str) -> None:
        told.append(line)

    async with Provider(fails(500), fails(429, retry_after="7"), say("well")) as provider:
        reply = await (await opened(models, provider, tell=tell)).request(HELLO)
    assert reply.text == "well"
    assert naps.taken == [2.0, 8.0], "Retry-After is obeyed, with the jitter of the wait on top"
    assert ["asked again in" in line for line in told] == [True, True]


async def test_a_wait_that_is_too_long_is_not_waited_for(models: Models, naps: Naps) -> None:
    async with Provider(fails(429, retry_after="3600")) as provider:
        with pytest.raises(Unavailable) as caught:
            await (await opened(models, provider)).request(HELLO)
    assert (caught.value.code, naps.taken, len(provider.bodies)) == ("model.rate_limited", [], 1)
    assert caught.value.detail["retry_after"] == 3600


async def test_pieces_of_a_stream_that_broke_are_taken_back(models: Models) -> None:
    async with Provider(say("one two three four", cut=True), say("five")) as provider:
        pieces, reply = await streamed(await opened(models, provider), HELLO)
    assert reply.text == "five"
    assert pieces[-2:] == ["<again>", "five"]


@pytest.mark.parametrize("stream", [False, True])
async def test_silence_is_a_time_out(models: Models, naps: Naps, stream: bool) -> None:
    async with Provider(say("never mind", pause=asyncio.Event())) as provider:
        model = await opened(models, provider)
        request = Request((Asked("?"),), seconds=0.5)
        with pytest.raises(TimedOut) as caught:
            await (streamed(model, request) if stream else model.request(request))
        assert caught.value.code == "model.timeout"
        assert len(provider.bodies) == 4
        assert naps.taken == [2.0, 4.0, 8.0]


@pytest.mark.parametrize("stream", [False, True])
async def test_cancelling_hangs_up_within_a_second(models: Models, stream: bool) -> None:
    async with Provider(say("one two three", pause=asyncio.Event())) as provider:
        model = await opened(models, provider)
        task = asyncio.ensure_future(streamed(model, HELLO) if stream else model.request(HELLO))
        await provider.asked.wait()
        task.cancel()
        async with asyncio.timeout(1):
            await provider.hung_up.wait()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (provider.gone, len(provider.bodies)) == (1, 1)


async def test_nobody_there(models: Models, naps: Naps) -> None:
    async with Provider(say("x")) as provider:
        url = provider.url
    with pytest.raises(Unavailable) as caught:
        await (await models.model("openai:gpt-5", no_secret, base_url=url)).request(HELLO)
    assert caught.value.code == "model.unavailable"
    assert len(naps.taken) == 3


async def test_a_key_goes_to_its_provider_and_not_into_errors(models: Models) -> None:
    async def secret(name: str) -> str:
        return f"sk-{name}"

    async with Provider(fails(401, "Incorrect API key provided: sk-MINE")) as provider:
        model = await models.model("openai:gpt-5", secret, base_url=provider.url)
        with pytest.raises(Refused):
            await model.request(HELLO)
        assert "OPENAI" not in provider.headers[0]["authorization"], "the default key went to a stranger"
        model = await models.model("openai:gpt-5", secret, base_url=provider.url, key_name="MINE")
        with pytest.raises(Refused) as caught:
            await model.request(HELLO)
        assert provider.headers[1]["authorization"] == "Bearer sk-MINE"
        assert "sk-MINE" not in caught.value.message


async def test_the_environment_counts_only_when_the_operator_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-process")
    with pytest.raises(Refused, match="penstock providers set openai") as caught:
        await Models().model("openai:gpt-5", no_secret)
    assert caught.value.code == "model.no_key"
    given = Models(environment={"OPENAI_API_KEY": "sk-given"})
    assert (await given.model("openai:gpt-5", no_secret)).name == "openai:gpt-5"
    await given.aclose()


@pytest.mark.parametrize(
    "name", ["openai-responses:gpt-5", "deepseek:deepseek-chat", "openrouter:x/y", "ollama:llama4"]
)
async def test_every_provider_of_the_base_installation_opens(models: Models, name: str) -> None:
    async def secret(wanted: str) -> str:
        return "sk-x"

    assert (await models.model(name, secret)).name == name


async def test_azure_needs_an_address(models: Models) -> None:
    async def secret(wanted: str) -> str:
        return "sk-x"

    with pytest.raises(Invalid) as caught:
        await models.model("azure:mine", secret)
    assert caught.value.code == "model.no_address"
    async with Provider(say("hello")) as provider:
        model = await models.model("azure:mine", secret, base_url=provider.url.removesuffix("/v1"))
        assert (await model.request(HELLO)).text == "hello"
    assert provider.headers[0]["authorization"] == "Bearer sk-x"
    async with Provider(fails(500)) as provider:
        model = await models.model("azure:mine", secret, base_url=provider.url.removesuffix("/v1"))
        with pytest.raises(Unavailable):
            await model.request(HELLO)
    assert len(provider.bodies) == 4, "a client that retries by itself multiplies the requests"


@pytest.mark.parametrize("provider", ["anthropic", "google", "mistral", "groq", "bedrock"])
async def test_a_client_that_is_not_installed_names_its_extra(models: Models, provider: str) -> None:
    async def secret(wanted: str) -> str:
        return "sk-x"

    try:
        model = await models.model(f"{provider}:some-model", secret)
    except Unavailable as error:
        assert error.code == "model.extra_missing"
        assert f"pip install 'penstock[{provider}]'" in error.message
        assert not error.retryable
    else:
        assert model.name == f"{provider}:some-model"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("opnai:gpt-5", "did you mean openai:gpt-5?"),
        ("gpt-5", "provider:name"),
        ("openai:", "name a model"),
        ("", "provider:name"),
        ("zzz:x", "known: openai"),
    ],
)
async def test_a_name_nobody_knows(models: Models, name: str, hint: str) -> None:
    with pytest.raises(Invalid) as caught:
        models.check(name) if name else await Models(default="").model(None, no_secret)
    assert caught.value.code == "model.unknown"
    assert hint in caught.value.message


async def test_the_breaker_opens_for_one_provider_and_closes_again(naps: Naps) -> None:
    now = [0.0]
    models = Models(sleep=naps, chance=lambda: 0.5, clock=lambda: now[0])
    async with Provider(*[fails(500)] * 5, say("well")) as provider:
        model = await opened(models, provider)
        with pytest.raises(Unavailable):
            await model.request(HELLO)
        with pytest.raises(Unavailable) as caught:
            await model.request(HELLO)
        assert (caught.value.code, len(provider.bodies)) == ("model.circuit_open", 5)
        with pytest.raises(Unavailable):
            await model.request(HELLO)
        assert len(provider.bodies) == 5, "an open breaker lets nothing through"
        where = f"openai at {provider.url}"
        assert models.breakers() == {where: {"state": "open", "failures": 5, "opened_at": 0.0}}
        now[0] = 31.0
        assert (await model.request(HELLO)).text == "well"
        assert models.breakers()[where]["state"] == "closed"
    await models.aclose()


async def test_cost_is_exact_and_unknown_is_not_free(models: Models) -> None:
    assert models.prices.cost("openai:gpt-5", Usage(1_000, 100, 400)) == Decimal("0.0018")
    assert models.prices.cost("openai:gpt-5-2025-08-07", Usage(1_000_000, 0)) == Decimal("1.25")
    assert models.prices.cost("openai:gpt-99", Usage(1, 1)) is None
    assert models.prices.cost("scripted:", Usage(1, 1)) == 0
