"""Workflows as models of a chat: the `openai` client library against a real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from tests.api.callers import BIG, DRAFT, ECHO, PARENT, begun, newest, offer, publish, settled

import penstock

pytestmark = pytest.mark.anyio

AGENT = """
penstock: 1
name: talker
title: Somebody to talk to
inputs: {type: object, required: [question], properties: {question: {type: string}}}
nodes:
  answer:
    kind: agent
    with: {model: "scripted:", instructions: "${{ inputs.question }}", script: [{say: "Forty-two.", tokens: 5}]}
outputs: {answer: "${{ nodes.answer.output }}"}
"""
HISTORY = """
penstock: 1
name: history
inputs: {type: object, required: [messages], properties: {messages: {type: array}, prompt: {type: string}}}
nodes: {note: {kind: render, with: {name: note.txt, template: noted}}}
outputs: {seen: "${{ inputs.messages }}"}
"""
LETTER = """
penstock: 1
name: letter
inputs:
  type: object
  required: [to, tone]
  properties: {to: {type: string}, tone: {type: string}, pages: {type: integer, default: 1}}
nodes: {note: {kind: render, with: {name: note.txt, template: noted}}}
outputs: {summary: {pages: "${{ inputs.pages }}"}, letter: "Dear ${{ inputs.to }}, (${{ inputs.tone }})"}
"""
EITHER = """
penstock: 1
name: either
inputs: {type: object, properties: {left: {type: string}, right: {type: string}}}
nodes: {note: {kind: render, with: {name: note.txt, template: "noted down"}}}
"""
FORGED = """
penstock: 1
name: forged
inputs: {type: object, properties: {handle: {type: object}}}
nodes: {note: {kind: render, with: {name: note.txt, template: noted}}}
outputs: {handle: "${{ inputs.handle }}"}
"""
SPEAKER = """
penstock: 1
name: speaker
inputs: {type: object, required: [prompt], properties: {prompt: {type: string}}}
nodes:
  aside: {kind: function, with: {function: openai_speak, input: {turns: [[Aside.]], answer: aside}}}
  talk: {kind: function, with: {function: openai_speak, input: "${{ inputs.prompt }}"}}
edges: [{from: aside, to: talk}]
outputs: {answer: "${{ nodes.talk.output }}"}
"""
going_on = asyncio.Event()


@penstock.function("openai_speak")
async def speak(given: Any, step: Any) -> Any:
    """Says what it is given turn by turn, as agents do, and answers once it may go on."""
    said = json.loads(given) if isinstance(given, str) else given
    for number, turn in enumerate(said["turns"], 1):
        for text in turn:
            step.live({"turn": number, "again": True} if text is None else {"turn": number, "text": text})
    if said.get("wait"):
        await going_on.wait()
    return {"text": said["answer"]}


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory, housekeeping: Any) -> AsyncIterator[Any]:
    async with housekeeping(tmp_path_factory.mktemp("data")) as house:
        await publish(house.core, "double", "gated", "ask", "positive")
        await offer(house.core, PARENT, ECHO, BIG, AGENT, HISTORY, LETTER, EITHER, FORGED, SPEAKER)
        await house.core.apply(DRAFT)
        yield house


@pytest.fixture
async def client(house: Any) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{house.url}/v1", api_key=house.token, timeout=30) as client:
        yield client


def user(text: Any) -> Any:
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]


async def ask(client: openai.AsyncOpenAI, model: str, text: Any = "hello", **more: Any) -> Any:
    return await client.chat.completions.create(model=model, messages=user(text), **more)


class TestModels:
    async def test_each_published_workflow_is_a_model(self, client: openai.AsyncOpenAI) -> None:
        models = {model.id: model async for model in client.models.list()}
        assert "only-a-draft" not in models
        assert models["echo"].owned_by == "penstock"
        assert models["echo"].created > 1_500_000_000
        assert (await client.models.retrieve("echo")).id == "echo"
        assert (await client.models.retrieve("penstock/echo")).id == "echo"
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("nothing")


class TestAnswers:
    async def test_the_answer_is_the_text_that_came_out(self, house: Any, client: openai.AsyncOpenAI) -> None:
        for model in ("echo", "penstock/echo"):
            answer = await ask(client, model, "grüße")
            assert answer.model == model
            assert answer.choices[0].message.role == "assistant"
            assert answer.choices[0].message.content == "You said: grüße"
            assert answer.choices[0].finish_reason == "stop"
            told = answer.model_extra["penstock"]
            assert (told["status"], told["outputs"]["times"]) == ("completed", 1)
            row = await house.core.runs.row(told["run_id"])
            assert (row.workflow, row.mode, row.actor) == ("echo", "full_run", "local")
            assert answer.id == f"chatcmpl-{row.run_id}"

    async def test_usage_is_what_the_journal_has(self, client: openai.AsyncOpenAI) -> None:
        answer = await ask(client, "talker", "What is it?")
        assert answer.choices[0].message.content == "[scripted] Forty-two."
        assert answer.usage.completion_tokens == 5
        assert answer.usage.prompt_tokens > 0
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + 5
        assert (await ask(client, "echo")).usage.total_tokens == 0

    async def test_a_stream_says_the_same(self, client: openai.AsyncOpenAI) -> None:
        options = {"include_usage": True}
        chunks = [chunk async for chunk in await ask(client, "talker", stream=True, stream_options=options)]
        assert chunks[0].choices[0].delta.role == "assistant"
        said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert said == "[scripted] Forty-two."
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
        assert (chunks[-1].choices, chunks[-1].usage.completion_tokens) == ([], 5)
        assert len({chunk.id for chunk in chunks}) == 1
        plain = [chunk async for chunk in await ask(client, "talker", stream=True)]
        assert [chunk.usage for chunk in plain] == [None] * len(plain)

    async def test_a_long_answer_comes_in_pieces(self, client: openai.AsyncOpenAI) -> None:
        inputs = {"inputs": {"text": "x" * 100_000}}
        chunks = [chunk async for chunk in await ask(client, "big", stream=True, extra_body=inputs)]
        said = [chunk.choices[0].delta.content or "" for chunk in chunks]
        assert "".join(said) == "x" * 200_000
        assert max(map(len, said)) < 20_000

    async def test_the_stream_ends_as_clients_expect(self, house: Any) -> None:
        body = {"model": "echo", "messages": user("hello"), "stream": True}
        answer = await house.bare.post(
            "/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {house.token}"}
        )
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.text.split("\n\n") if line]
        assert lines[-1] == "data: [DONE]"
        assert all(line.startswith("data: ") for line in lines)

    async def test_several_outputs_are_the_first_text_or_all_of_them_as_json(self, client: openai.AsyncOpenAI) -> None:
        inputs = {"inputs": {"to": "Ada", "tone": "warm"}}
        answer = await ask(client, "letter", extra_body=inputs)
        assert answer.choices[0].message.content == "Dear Ada, (warm)"
        answer = await ask(client, "letter", extra_body=inputs, response_format={"type": "json_object"})
        assert json.loads(answer.choices[0].message.content) == {
            "summary": {"pages": 1},
            "letter": "Dear Ada, (warm)",
        }
        answer = await ask(client, "double", extra_body={"inputs": {"value": 2}})
        assert json.loads(answer.choices[0].message.content) == {"result": {"value": 4}}

    async def test_without_outputs_the_answer_is_the_text_that_was_made(self, client: openai.AsyncOpenAI) -> None:
        answer = await ask(client, "either", extra_body={"inputs": {"left": "x"}})
        assert answer.choices[0].message.content == "noted down"

    async def test_an_artifact_of_another_run_is_not_read(self, house: Any, client: openai.AsyncOpenAI) -> None:
        secret = await house.core.artifacts.put(b"another team's")
        inputs = {"handle": {"artifact": secret, "mime": "text/markdown", "name": "x.md", "size": 14}}
        answer = await ask(client, "forged", extra_body={"inputs": inputs})
        assert json.loads(answer.choices[0].message.content) == {"handle": inputs["handle"]}

    async def test_a_run_that_needs_a_person_says_so(self, client: openai.AsyncOpenAI) -> None:
        for model in ("ask", "asks-below"):
            answer = await ask(client, model)
            told = answer.model_extra["penstock"]
            assert told["status"] == "waiting"
            assert [question["title"] for question in told["questions"]] == ["Ship it?"]
            assert told["run_url"] in answer.choices[0].message.content


class TestSpeaking:
    """What the answering step says for the moment is the stream."""

    async def say(self, client: openai.AsyncOpenAI, turns: list[Any], answer: str, **more: Any) -> list[str]:
        prompt = json.dumps({"turns": turns, "answer": answer})
        stream = await ask(client, "speaker", prompt, stream=True, **more)
        return [text async for chunk in stream if (text := chunk.choices[0].delta.content)]

    async def test_it_comes_while_the_step_is_still_speaking(self, client: openai.AsyncOpenAI) -> None:
        going_on.clear()
        prompt = json.dumps({"turns": [["Hel", "lo"]], "answer": "Hello there", "wait": True})
        stream = await ask(client, "speaker", prompt, stream=True)
        said = ""
        async for chunk in stream:
            said += chunk.choices[0].delta.content or ""
            if said == "Hello":
                going_on.set()  # the step ends only now
        assert said == "Hello there"

    @pytest.mark.parametrize(
        ("turns", "answer", "heard"),
        [
            ([["Hel", "lo"]], "Hello", "Hello"),
            ([], "Hello", "Hello"),
            ([["Let me see."], ["Hello"]], "Hello", "Let me see.\n\nHello"),
            ([["Helo", None, "Hello"]], "Hello", "Helo\n\nHello"),
            ([["Hello", None]], "Goodbye", "Hello\n\nGoodbye"),
        ],
    )
    async def test_the_answer_is_said_once(
        self, client: openai.AsyncOpenAI, turns: list[Any], answer: str, heard: str
    ) -> None:
        assert "".join(await self.say(client, turns, answer)) == heard

    async def test_json_is_not_mixed_with_what_is_said(self, client: openai.AsyncOpenAI) -> None:
        said = await self.say(client, [["Hello"]], "Hello", response_format={"type": "json_object"})
        assert json.loads("".join(said)) == {"answer": {"text": "Hello"}}

    async def test_a_scripted_agent_is_heard_piece_by_piece(self, client: openai.AsyncOpenAI) -> None:
        stream = await ask(client, "talker", stream=True)
        said = [text async for chunk in stream if (text := chunk.choices[0].delta.content)]
        assert "".join(said) == "[scripted] Forty-two."


class TestInputs:
    async def test_an_input_messages_gets_the_whole_conversation(self, client: openai.AsyncOpenAI) -> None:
        answer = await ask(client, "history", [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}])
        assert json.loads(answer.choices[0].message.content)["seen"][0] == {"role": "system", "content": "Be brief."}
        assert json.loads(answer.choices[0].message.content)["seen"][1]["content"][1]["type"] == "image_url"

    async def test_the_last_user_message_is_the_prompt(self, client: openai.AsyncOpenAI) -> None:
        messages: Any = [
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": "what?"},
            {"role": "user", "content": [{"type": "text", "text": "second"}, {"type": "text", "text": "third"}]},
            {"role": "assistant", "content": "…"},
        ]
        answer = await client.chat.completions.create(model="echo", messages=messages)
        assert answer.choices[0].message.content == "You said: second\nthird"

    async def test_metadata_is_read_as_the_type_that_is_declared(self, client: openai.AsyncOpenAI) -> None:
        answer = await ask(client, "echo", metadata={"times": "3", "loud": "true", "session": "ignored"})
        outputs = answer.model_extra["penstock"]["outputs"]
        assert (outputs["times"], outputs["loud"]) == (3, True)
        more = {"inputs": {"times": 4}}
        answer = await ask(client, "echo", metadata={"times": "3"}, extra_body=more)
        assert answer.model_extra["penstock"]["outputs"]["times"] == 4, "what is named under inputs goes first"

    async def test_inputs_may_name_the_prompt_too(self, client: openai.AsyncOpenAI) -> None:
        answer = await ask(client, "echo", extra_body={"inputs": {"prompt": "this instead"}})
        assert answer.choices[0].message.content == "You said: this instead"

    async def test_the_only_one_missing_gets_the_message(self, client: openai.AsyncOpenAI) -> None:
        answer = await ask(client, "letter", "Bob", extra_body={"inputs": {"tone": "cold"}})
        assert answer.choices[0].message.content == "Dear Bob, (cold)"

    async def test_everything_that_is_missing_is_named(self, house: Any, client: openai.AsyncOpenAI) -> None:
        before = await newest(house.core, "letter")
        with pytest.raises(openai.BadRequestError) as caught:
            await ask(client, "letter")
        assert caught.value.code == "chat.missing_inputs"
        assert "to, tone" in caught.value.message
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(model="echo", messages=[{"role": "system", "content": "x"}])
        assert caught.value.code == "chat.missing_inputs"
        with pytest.raises(openai.BadRequestError) as caught:
            await ask(client, "either")
        assert caught.value.code == "chat.no_place"
        after = await newest(house.core, "letter")
        assert (before and before.run_id) == (after and after.run_id)


class TestErrors:
    @pytest.mark.parametrize("model", ["nothing", "only-a-draft", "penstock/", "../ask", "gpt-5", "x" * 200])
    async def test_an_unknown_model(self, client: openai.AsyncOpenAI, model: str) -> None:
        for stream in (False, True):
            with pytest.raises(openai.NotFoundError) as caught:
                await ask(client, model, stream=stream)
            assert caught.value.code in ("workflow.not_found", "version.not_found")
            assert caught.value.type == "invalid_request_error"

    async def test_a_wrong_token(self, house: Any) -> None:
        async with openai.AsyncOpenAI(base_url=f"{house.url}/v1", api_key="wrong") as client:
            with pytest.raises(openai.AuthenticationError) as caught:
                await ask(client, "echo")
            assert (caught.value.code, caught.value.type) == ("auth.bad_token", "authentication_error")

    async def test_a_run_that_fails_is_not_begun_again(self, house: Any, client: openai.AsyncOpenAI) -> None:
        with pytest.raises(openai.UnprocessableEntityError) as caught:
            await ask(client, "positive", extra_body={"inputs": {"value": -1}})
        assert (caught.value.code, caught.value.type) == ("test.negative", "run_error")
        assert "-1 is negative" in caught.value.message
        assert caught.value.body["run_id"] == (await newest(house.core, "positive")).run_id
        assert len((await house.core.runs.list("default", workflow="positive")).items) == 1

    async def test_a_run_that_fails_ends_the_stream_with_its_error(self, client: openai.AsyncOpenAI) -> None:
        stream = await ask(client, "positive", stream=True, extra_body={"inputs": {"value": -1}})
        with pytest.raises(openai.APIError) as caught:
            [chunk async for chunk in stream]
        assert caught.value.code == "test.negative"

    @pytest.mark.parametrize(
        ("more", "param"),
        [
            ({"n": 2}, "n"),
            ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
            ({"extra_body": {"functions": [{"name": "f"}]}}, "functions"),
            ({"modalities": ["text", "audio"]}, "modalities"),
            ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, "response_format"),
        ],
    )
    async def test_what_would_be_ignored_at_a_cost_is_refused(
        self, client: openai.AsyncOpenAI, more: dict[str, Any], param: str
    ) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            await ask(client, "echo", **more)
        assert (caught.value.code, caught.value.param) == ("chat.unsupported", param)

    async def test_what_says_nothing_to_a_workflow_is_not_read(self, client: openai.AsyncOpenAI) -> None:
        more = {"temperature": 0.2, "max_tokens": 5, "seed": 1, "stop": ["x"], "n": 1, "user": "u", "tools": []}
        answer = await ask(client, "echo", **more, extra_body={"whatever": [1]})
        assert answer.choices[0].message.content == "You said: hello"

    async def test_a_picture_where_text_is_needed(self, client: openai.AsyncOpenAI) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            await ask(client, "echo", [{"type": "image_url", "image_url": {"url": "data:,"}}])
        assert (caught.value.code, caught.value.param) == ("chat.unsupported", "messages.1.content.0")

    async def test_inputs_that_do_not_fit(self, client: openai.AsyncOpenAI) -> None:
        for inputs in ({"times": 0}, {"times": "many"}, {"nothing": 1}):
            with pytest.raises(openai.BadRequestError) as caught:
                await ask(client, "echo", extra_body={"inputs": inputs})
            assert caught.value.code == "inputs.invalid"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"model": "echo"},
            {"model": 5, "messages": user("x")},
            {"model": "echo", "messages": []},
            {"model": "echo", "messages": "hello"},
            {"model": "echo", "messages": [{"content": "x"}]},
            {"model": "echo", "messages": [5]},
            {"model": "echo", "messages": user(5)},
            {"model": "echo", "messages": user("x"), "stream": "yes"},
            {"model": "echo", "messages": user("x"), "stream_options": 5},
            {"model": "echo", "messages": user("x"), "inputs": []},
            {"model": "echo", "messages": user("x"), "metadata": "x"},
            {"model": "echo", "messages": user("x"), "response_format": "json"},
            [],
            "x",
        ],
    )
    async def test_bodies_of_a_wrong_shape(self, house: Any, body: Any) -> None:
        headers = {"Authorization": f"Bearer {house.token}"}
        answer = await house.bare.post("/v1/chat/completions", json=body, headers=headers)
        assert answer.status_code == 400, answer.text
        error = answer.json()["error"]
        assert error["code"] == "body.invalid"
        assert error["type"] == "invalid_request_error"

    @pytest.mark.parametrize(
        ("content", "status", "code"),
        [
            (b"", 400, "body.invalid"),
            (b"{", 400, "body.malformed"),
            (b"[" * 1_000_000, 413, "body.too_many_values"),
            (b"x" * 9_000_000, 413, "body.too_large"),
            (b'{"model": "echo", "messages": [{"role": "user", "content": "a\\u0000b"}]}', 400, "body.not_text"),
        ],
    )
    async def test_bodies_that_are_none(self, house: Any, content: bytes, status: int, code: str) -> None:
        headers = {"Authorization": f"Bearer {house.token}", "Content-Type": "application/json"}
        answer = await house.bare.post("/v1/chat/completions", content=content, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/json"

    async def test_addresses_that_are_none_are_said_in_the_same_shape(self, house: Any) -> None:
        headers = {"Authorization": f"Bearer {house.token}"}
        answer = await house.bare.post("/v1/embeddings", json={}, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "route.not_found")
        answer = await house.bare.get("/v1/chat/completions", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "route.not_found")
        answer = await house.bare.get("/v1/models")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "auth.missing")
        assert answer.headers["www-authenticate"].startswith("Bearer")


class TestLeaving:
    @pytest.mark.parametrize("stream", [False, True])
    async def test_hanging_up_cancels_the_run(self, house: Any, client: openai.AsyncOpenAI, stream: bool) -> None:
        async def listen() -> None:
            answer = await ask(client, "gated", f"hang-up-{stream}", stream=stream)
            [chunk async for chunk in answer]

        listening = asyncio.create_task(listen())
        run_id = await begun(house.core, "gated", "hold")
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
        assert await settled(house.core, run_id) == "cancelled"

    async def test_a_request_with_a_key_is_one_run_and_survives_its_caller(
        self, house: Any, client: openai.AsyncOpenAI
    ) -> None:
        key = {"Idempotency-Key": "chat-key"}
        listening = asyncio.create_task(ask(client, "gated", "kept", extra_headers=key))
        run_id = await begun(house.core, "gated", "hold")
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
        house.open("kept")
        for stream in (False, True):
            answer = await client.chat.completions.with_raw_response.create(
                model="gated", messages=user("kept"), extra_headers=key, stream=stream
            )
            assert answer.headers["x-request-id"] == run_id
            assert answer.headers["idempotency-replayed"] == "true"
        with pytest.raises(openai.ConflictError) as caught:
            await ask(client.with_options(max_retries=0), "gated", "another", extra_headers=key)
        assert caught.value.code == "idempotency.body_differs"

    async def test_a_server_that_stops_leaves_the_run_in_peace(self, tmp_path: Any, housekeeping: Any) -> None:
        async with housekeeping(tmp_path) as house:
            await publish(house.core, "gated")
            async with openai.AsyncOpenAI(base_url=f"{house.url}/v1", api_key=house.token) as client:
                call = asyncio.create_task(ask(client, "gated", "stop"))
                run_id = await begun(house.core, "gated", "hold")
                house.server.cancel()
                with pytest.raises(openai.InternalServerError) as caught:
                    await call
            assert caught.value.code == "call.interrupted"
            house.open("stop")
            assert await settled(house.core, run_id) == "completed"
