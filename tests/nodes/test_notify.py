"""The kind `notify` against real receivers, verified by the library that receivers use; and the kind `fail`."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from tests.nodes.stub import Step

from penstock.errors import Invalid, NotFound, PenstockError, Refused, StepFailed
from penstock.nodes.fail import Fail, FailConfig
from penstock.nodes.http import Http
from penstock.nodes.notify import Notify, NotifyConfig, keys_of, signatures
from penstock.ports import NodeKind

pytestmark = pytest.mark.anyio

OLD, NEW = ("whsec_" + base64.b64encode(letter * 24).decode() for letter in (b"o", b"n"))


class Receiver:
    """Takes requests, and answers each with the bytes it has for it; none for never."""

    def __init__(self, answer: bytes | None = b"HTTP/1.1 204 No\r\n\r\n") -> None:
        self.answer = answer
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=t0p"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readline()
            headers: dict[str, str] = {}
            while (line := await reader.readline()) not in (b"\r\n", b""):
                name, _, value = line.decode("latin-1").partition(":")
                headers[name.lower()] = value.strip()
            self.got.append((headers, await reader.readexactly(int(headers["content-length"]))))
            if self.answer is None:
                await reader.read()
            else:
                writer.write(self.answer)
                await writer.drain()
        writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    yield receiver
    server.close()


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    http = Http()
    yield http
    await http.aclose()


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return Step(tmp_path, secrets={"hook": OLD, "both": f"{NEW} {OLD}", "bad": "whsec_not base64"})


async def send(http: Http, step: Step, url: str, **more: Any) -> Any:
    config = {"url": url, "secret": "hook", "event": "thing.done", "data": {"n": 1}, **more}
    return await Notify(http).run(step, NotifyConfig.model_validate(config))


async def failing(http: Http, step: Step, url: str, **more: Any) -> PenstockError:
    with pytest.raises(PenstockError) as caught:
        await send(http, step, url, **more)
    return caught.value


def test_they_are_node_kinds() -> None:
    kinds: list[NodeKind] = [Notify(Http()), Fail()]
    assert [kind.name for kind in kinds] == ["notify", "fail"]


def test_the_signature_is_that_of_the_specification() -> None:
    # The example of the specification's own reference implementations.
    key = keys_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "example")
    made = signatures(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_receivers_library_takes_it(http: Http, step: Step, receiver: Receiver) -> None:
    output = await send(http, step, receiver.url)
    ((headers, body),) = receiver.got
    message = Webhook(OLD).verify(body, headers)
    assert (message["type"], message["data"]) == ("thing.done", {"n": 1})
    assert message["timestamp"].endswith("Z")
    assert output == {"id": headers["webhook-id"], "status": 204}
    assert headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(body, headers | {"webhook-id": "another"})
    assert "t0p" not in "".join(step.notes)


async def test_with_two_secrets_both_sign(http: Http, step: Step, receiver: Receiver) -> None:
    await send(http, step, receiver.url, secret="both")
    ((headers, body),) = receiver.got
    assert Webhook(OLD).verify(body, headers) == Webhook(NEW).verify(body, headers)


async def test_each_attempt_sends_the_same_bytes_under_the_same_id_at_its_own_time(
    http: Http, step: Step, receiver: Receiver
) -> None:
    times = iter([1_000_000_000.0, 1_000_000_001.0, 1_000_000_060.0])
    kind = Notify(http, lambda: next(times))
    config = NotifyConfig(url=receiver.url, secret="hook", event="thing.done", data={"n": 1})
    receiver.answer = b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"
    with pytest.raises(StepFailed):
        await kind.run(step, config)
    step.attempt, receiver.answer = 2, b"HTTP/1.1 200 Yes\r\ncontent-length: 0\r\n\r\n"
    await kind.run(step, config)
    (first, body), (second, same) = receiver.got
    assert body == same
    assert json.loads(body)["timestamp"] == "2001-09-09T01:46:40.000Z"
    assert first["webhook-id"] == second["webhook-id"]
    assert [first["webhook-timestamp"], second["webhook-timestamp"]] == ["1000000001", "1000000060"]
    await kind.run(step, config)
    assert len(receiver.got) == 2, "what was delivered is kept"


async def test_a_delivery_whose_keeping_was_lost_is_made_again_as_a_repetition(
    http: Http, step: Step, receiver: Receiver
) -> None:
    await send(http, step, receiver.url)
    del step.kept["sent"]  # the process died before it was durable
    await send(http, step, receiver.url)
    (first, body), (second, same) = receiver.got
    assert (first["webhook-id"], body) == (second["webhook-id"], same)


async def test_ids_differ_between_steps_and_may_be_given(http: Http, tmp_path: Path, receiver: Receiver) -> None:
    for name in ("a#1", "b#1"):
        await send(http, Step(tmp_path, step_id=name, secrets={"hook": OLD}), receiver.url)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 2
    output = await send(http, Step(tmp_path, secrets={"hook": OLD}), receiver.url, id="mine")
    assert output["id"] == receiver.got[-1][0]["webhook-id"] == "mine"


@pytest.mark.parametrize(
    ("status", "again"), [(400, True), (401, True), (429, True), (500, True), (301, False), (308, False), (410, False)]
)
async def test_what_is_not_taken_is_a_failure_and_only_some_are_final(
    http: Http, step: Step, receiver: Receiver, status: int, again: bool
) -> None:
    receiver.answer = b"HTTP/1.1 %d X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 4\r\n\r\nwhy!" % status
    error = await failing(http, step, receiver.url)
    assert (error.code, error.retryable, error.detail) == ("notify.refused", again, {"status": status, "body": "why!"})
    assert len(receiver.got) == 1
    assert "t0p" not in error.message


async def test_a_long_refusal_is_not_read_to_its_end(http: Http, step: Step, receiver: Receiver) -> None:
    # Whoever waited for all that is announced would find the connection broken instead.
    receiver.answer = b"HTTP/1.1 500 X\r\ncontent-length: 5000000\r\n\r\n" + b"x" * 1_000
    error = await failing(http, step, receiver.url)
    assert (error.code, len(error.detail["body"])) == ("notify.refused", 500)


async def test_silence_ends_and_nobody_there_is_said(http: Http, step: Step, receiver: Receiver) -> None:
    receiver.answer = None
    error = await failing(http, step, receiver.url, timeout_seconds=0.2)
    assert (error.code, error.retryable) == ("notify.timeout", True)
    receiver.answer = b"nonsense"
    error = await failing(http, step, receiver.url)
    assert (error.code, error.retryable) == ("notify.unreachable", True)
    error = await failing(http, step, "http://127.0.0.1:1/hook")
    assert (error.code, error.retryable) == ("notify.unreachable", True)


async def test_addresses_that_must_not_be_reached_are_not(http: Http, step: Step, receiver: Receiver) -> None:
    strict = Http(private=False)
    try:
        for client, url, more in (
            (strict, receiver.url, {}),
            (strict, receiver.url.replace("127.0.0.1", "localhost"), {}),
            (strict, receiver.url.replace("127.0.0.1", "[::ffff:127.0.0.1]"), {}),
            (http, receiver.url, {"private": False}),
            (http, "http://169.254.169.254/latest", {}),
        ):
            error = await failing(client, step, url, **more)
            assert isinstance(error, Refused)
            assert (error.code, error.retryable) == ("http.address_refused", False)
    finally:
        await strict.aclose()
    assert receiver.got == []


@pytest.mark.parametrize("url", ["ftp://x/", "http://user:word@x/", "http:///x", "nonsense", "http://x:99999/"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        NotifyConfig(url=url, secret="hook", event="x")


async def test_a_secret_that_signs_nothing_is_named_and_not_shown(http: Http, step: Step, receiver: Receiver) -> None:
    error = await failing(http, step, receiver.url, secret="bad")
    assert isinstance(error, Invalid)
    assert (error.code, error.retryable) == ("notify.bad_secret", False)
    assert "'bad'" in error.message
    assert "base64!" not in error.message
    with pytest.raises(NotFound):
        await send(http, step, receiver.url, secret="none")
    for secret in (
        "",
        "whsec_",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
    ):
        with pytest.raises(Invalid):
            keys_of(secret, "x")
    assert receiver.got == []


async def test_fail_fails_with_what_it_is_given_and_passes_without(step: Step) -> None:
    kind = Fail()
    assert await kind.run(step, FailConfig(error=None)) is None
    problem = {"code": "x.y", "message": "there", "pointer": "/a"}
    given = {
        "code": "tool.error",
        "message": "no",
        "retryable": True,
        "detail": {"a": 1},
        "problems": [problem, {"odd": 1}],
    }
    with pytest.raises(StepFailed) as caught:
        await kind.run(step, FailConfig.model_validate({"error": given}))
    told = caught.value.to_dict()
    assert told == {"code": "tool.error", "message": "no", "detail": {"a": 1}, "problems": [problem]}
    with pytest.raises(ValidationError):
        FailConfig.model_validate({"error": {"code": "no good", "message": "x"}})
