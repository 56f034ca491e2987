"""A local provider that speaks OpenAI's Chat Completions over real HTTP, and does exactly what a test tells it.

    async with Provider(say("hello")) as provider:   # one answer after the other; the last one for ever
        … base_url=provider.url …
    provider.bodies, provider.headers                # what was asked, in order
    provider.gone                                    # how many clients hung up before they were answered
    provider.connections                             # how many there were; with `keeps` one may serve many requests

`answers` may be a function of the request's body, for what does not come in a fixed order. It is written on bare sockets,
because it must be able to break off, to stay silent, and to see the other side hang up.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any


@dataclass
class Answer:
    """`pause`: the event waited for before the answer is sent or, of a stream, after its first piece."""

    text: str = ""
    calls: list[tuple[str, str, str]] = field(default_factory=list)  # id, name, arguments as written
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None  # the body instead of a right one
    cut: bool = False  # a stream ends in the middle, an answer after half of its bytes
    pause: asyncio.Event | None = None
    finish: str | None = None
    usage: tuple[int, int, int] = (10, 5, 0)  # input, output, cached
    model: str = "test-model-2026"


def say(text: str, **more: Any) -> Answer:
    return Answer(text, **more)


def call(name: str, arguments: Any, id: str = "c1", **more: Any) -> Answer:
    written = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return Answer(calls=[(id, name, written)], **more)


def calls(*wanted: tuple[str, str, Any], **more: Any) -> Answer:
    return Answer(calls=[(id, name, json.dumps(given)) for id, name, given in wanted], **more)


def fails(status: int, message: str = "no", code: str | None = None, **headers: str) -> Answer:
    body = json.dumps({"error": {"message": message, "type": "error", "code": code}}).encode()
    return Answer(status=status, raw=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


Answers = Callable[[dict[str, Any]], Answer]


class Provider:
    def __init__(self, *answers: Answer, by: Answers | None = None, keeps: bool = False) -> None:
        self._answers, self._by, self._keeps = list(answers), by, keeps
        self.connections = 0
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.gone = 0
        self.hung_up = asyncio.Event()
        self.asked = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Provider:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or b"{}")
        self.bodies.append(body)
        self.headers.append(headers)
        number = len(self.bodies)
        answer = self._by(body) if self._by else self._answers[min(number, len(self._answers)) - 1]
        self.asked.set()
        keeps = self._keeps and answer.pause is None  # who waits for the other side to hang up reads what comes next
        hang_up = None if keeps else asyncio.get_running_loop().create_task(reader.read(1))
        try:
            if body.get("stream") and answer.raw is None:
                return await self._stream(answer, number, writer, hang_up)
            await self._pause(answer, hang_up)
            payload = answer.raw if answer.raw is not None else json.dumps(whole(answer, number)).encode()
            said = {"content-type": "application/json", **answer.headers, "content-length": str(len(payload))}
            head = [f"HTTP/1.1 {answer.status} X", *(f"{name}: {value}" for name, value in said.items())]
            if hang_up is not None:
                head.append("connection: close")
            writer.write(
                "\r\n".join([*head, "", ""]).encode() + (payload[: len(payload) // 2] if answer.cut else payload)
            )
            await writer.drain()
            return hang_up is None
        finally:
            if hang_up is not None:
                hang_up.cancel()

    async def _stream(
        self, answer: Answer, number: int, writer: asyncio.StreamWriter, hang_up: asyncio.Task[bytes] | None
    ) -> bool:
        how = b"connection: close" if hang_up is not None else b"transfer-encoding: chunked"
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n" + how + b"\r\n\r\n")

        def send(data: bytes) -> None:
            writer.write(data if hang_up is not None else b"%x\r\n%b\r\n" % (len(data), data))

        pieces = chunks(answer, number)
        for index, piece in enumerate(pieces):
            if answer.cut and index == len(pieces) // 2:
                return False
            send(b"data: " + json.dumps(piece).encode() + b"\n\n")
            await writer.drain()
            if index == 1:
                await self._pause(answer, hang_up)
        send(b"data: [DONE]\n\n")
        if hang_up is None:
            send(b"")
        await writer.drain()
        return hang_up is None

    async def _pause(self, answer: Answer, hang_up: asyncio.Task[bytes] | None) -> None:
        if answer.pause is None or hang_up is None:
            return
        waiting = asyncio.get_running_loop().create_task(answer.pause.wait())
        try:
            await asyncio.wait({waiting, hang_up}, return_when=asyncio.FIRST_COMPLETED)
            if hang_up.done():
                self.gone += 1
                self.hung_up.set()
                raise ConnectionResetError
        finally:
            waiting.cancel()


def usage(answer: Answer) -> dict[str, Any]:
    given, out, cached = answer.usage
    return {
        "prompt_tokens": given,
        "completion_tokens": out,
        "total_tokens": given + out,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def whole(answer: Answer, number: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None}
    if answer.calls:
        message["tool_calls"] = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": written}}
            for id, name, written in answer.calls
        ]
    finish = answer.finish or ("tool_calls" if answer.calls else "stop")
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {
        "id": f"answer-{number}",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": answer.model,
        "choices": [choice],
        "usage": usage(answer),
    }


def chunks(answer: Answer, number: int) -> list[dict[str, Any]]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {
            "id": f"answer-{number}",
            "object": "chat.completion.chunk",
            "created": 1_790_000_000,
            "model": answer.model,
            "choices": [choice],
        }

    out = [chunk({"role": "assistant", "content": ""})]
    words = answer.text.split(" ") if answer.text else []
    out += [chunk({"content": word if index == 0 else f" {word}"}) for index, word in enumerate(words)]
    for index, (id, name, written) in enumerate(answer.calls):
        half = len(written) // 2
        function = {"name": name, "arguments": written[:half]}
        out.append(chunk({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]}))
        out.append(chunk({"tool_calls": [{"index": index, "function": {"arguments": written[half:]}}]}))
    out.append(chunk({}, answer.finish or ("tool_calls" if answer.calls else "stop")))
    out.append({**chunk({}), "choices": [], "usage": usage(answer)})
    return out
