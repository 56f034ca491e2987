"""Models behind OpenAI's Chat Completions, over HTTP: one POST, one answer, whole or as server-sent events.

Ours, because a turn of an agent must cost next to nothing beside the model (see docs/decisions/005-chat-completions.md). What is
particular to a model comes in as `Manners`. One request is one exchange: it is never made again here, no redirect is followed with
the key, nothing is remembered between requests (no cookies), and the connection goes back to a pool that all models share.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from ..errors import Invalid, PenstockError, Refused, TimedOut, Unavailable
from .chat_answer import FILTERED, Broken, Failed, Gathered, parse, read
from .chat_asked import Form, Manners
from .failures import SAID, from_status
from .port import Delta, Reply, Request

LONGEST = 64 * 1024 * 1024  # bytes of an answer
COMPLAINT = 64 * 1024  # bytes of a refusal that are read
LAST = 0.1  # seconds in which a stream that is complete may end, so that its connection can be used again
REDACTED = "[redacted]"
FOREVER = httpx2.Timeout(None).as_dict()  # the whole request is timed, not its parts

QUOTA = (
    "insufficient_quota",
    "billing_hard_limit_reached",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
)
TOO_LONG = ("maximum context length", "reduce the length of the messages")  # of servers without a code for it
STATUSES = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "too_many_requests": 429,
    "service_unavailable": 503,
    "service_unavailable_error": 503,
    "server_is_overloaded": 503,
    "overloaded": 503,
    "server_error": 500,
}


class Chat:
    """A model; see `port.Model`. `address` is the base URL, to which `/chat/completions` is added."""

    def __init__(
        self, name: str, model: str, key: str, address: str, http: httpx2.AsyncClient, manners: Manners | None = None
    ) -> None:
        """Raises Invalid `model.bad_request` for an address that is none, Refused `model.bad_key` for a key that no header
        can carry."""
        self.name = name
        self._key, self._http = key, http
        self._manners = manners or Manners()
        self._form = Form(model, self._manners)
        if not key.isascii() or not key.isprintable():  # before a library says it with the key in its words
            raise Refused(f"the key for {name} has characters that no key has", code="model.bad_key")
        try:
            self._url = httpx2.URL(f"{address.rstrip('/')}/chat/completions")
        except httpx2.InvalidURL as error:
            raise Invalid(f"{name} has no address: {error}", code="model.bad_request") from None
        self._headers = [
            (b"Host", self._url.netloc),
            (b"Authorization", f"Bearer {key}".encode()),
            (b"Content-Type", b"application/json"),
            (b"Accept-Encoding", b"identity"),
            (b"User-Agent", b"penstock"),
        ]

    async def request(self, request: Request) -> Reply:
        with self._translated(request):
            async with asyncio.timeout(request.seconds), self._asked(request, False) as answer:
                data = await _whole(answer)
            return self._checked(read(data, self._manners))

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply]:
        with self._translated(request):
            gathered = Gathered(self._manners)
            async with asyncio.timeout(request.seconds), self._asked(request, True) as answer:
                if answer.headers.get("content-type", "").startswith("application/json"):
                    reply = read(await _whole(answer), self._manners)
                    if reply.text:
                        yield Delta(reply.text)
                else:
                    async for event in _events(answer):
                        if text := gathered.piece(event):
                            yield Delta(text)
                    if text := gathered.rest():
                        yield Delta(text)
                    reply = gathered.reply()
            reply = self._checked(reply)
        yield reply

    @asynccontextmanager
    async def _asked(self, request: Request, stream: bool) -> AsyncIterator[httpx2.Response]:
        headers = self._headers
        if request.key:
            headers = [*headers, (b"Idempotency-Key", request.key.encode())]
        posted = httpx2.Request(
            "POST",
            self._url,
            headers=headers,
            content=self._form.write(request, stream),
            extensions={"timeout": FOREVER},
        )
        answer = await self._http.send(posted, stream=True, follow_redirects=False)
        try:
            if answer.status_code // 100 != 2:
                raise self._refusal(answer.status_code, await _start(answer), answer.headers)
            yield answer
        finally:
            await answer.aclose()

    def _checked(self, reply: Reply) -> Reply:
        if reply.finish == FILTERED:
            raise Refused(f"{self.name} refused to answer", code="model.content_filtered")
        if not reply.text and not reply.calls and not reply.usage.output_tokens and reply.finish != "length":
            raise Broken("it is empty")
        return reply

    # ---------------------------------------------------------------------------------------------------- going wrong

    @contextmanager
    def _translated(self, request: Request) -> Generator[None]:
        try:
            yield
        except PenstockError:
            raise
        except TimeoutError:
            message = f"{self.name} did not answer within {request.seconds:g} s"
            raise TimedOut(message, code="model.timeout") from None
        except Failed as failed:
            raise self._refusal(None, failed.body) from None
        except (Broken, httpx2.DecodingError) as error:
            message = f"{self.name} answered with something that is no answer: {self._clean(str(error))}"
            raise Unavailable(message, code="model.bad_response") from None
        except httpx2.TransportError as error:
            message = f"{self.name} could not be reached: {self._clean(str(error) or type(error).__name__)}"
            raise Unavailable(message, code="model.unavailable") from None
        except Exception as error:  # a client that was closed, a machine without sockets: asking again is of no use
            message = f"the client for {self.name} failed: {type(error).__name__}: {self._clean(str(error))}"
            raise Unavailable(message, code="model.client_failed", retryable=False) from None

    def _refusal(self, status: int | None, body: Any, headers: httpx2.Headers | None = None) -> PenstockError:
        """The error for what a provider says is wrong; `status` None where it says so in an answer that began well."""
        inner = body.get("error", body) if isinstance(body, dict) else body
        told = inner if isinstance(inner, dict) else {}
        words = told.get("message") if isinstance(told.get("message"), str) else inner
        said = self._clean(str(words)) or "it does not say why"
        names = [str(told[key]) for key in ("code", "type") if isinstance(told.get(key), str | int)]
        if any(name in QUOTA for name in names):
            return Refused(f"{self.name}: the account has no credit: {said}", code="model.no_credit")
        if "context_length_exceeded" in names or any(phrase in said.lower() for phrase in TOO_LONG):
            return Invalid(f"the conversation is too long for {self.name}: {said}", code="model.too_long")
        if status is None:
            status = next((STATUSES[name] for name in names if name in STATUSES), None)
            status = status or next((int(name) for name in names if name.isdigit() and 400 <= int(name) < 600), None)
        if "model_not_found" in names:
            status = 404
        elif "invalid_api_key" in names:
            status = 401
        elif status == 403 and isinstance(told.get("metadata"), dict) and "flagged_input" in told["metadata"]:
            status = 400
        if status is None:
            message = f"{self.name} answered with something that is no answer: {said}"
            return Unavailable(message, code="model.bad_response")
        return from_status(status, self.name, said, None if headers is None else _retry_after(headers))

    def _clean(self, text: str) -> str:
        """One short line, without the key."""
        line = " ".join(text.replace(self._key, REDACTED).split() if self._key else text.split())
        return line[:SAID]


async def _whole(answer: httpx2.Response) -> bytes:
    """All bytes of an answer. Raises Broken when there is no end to them."""
    parts: list[bytes] = []
    size = 0
    async for part in answer.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > LONGEST:
            raise Broken(f"it has more than {LONGEST} bytes")
    return b"".join(parts)


async def _start(answer: httpx2.Response) -> Any:
    """What a refusal says: its JSON, or its first bytes as text."""
    data = b""
    async for part in answer.aiter_bytes():
        data += part
        if len(data) > COMPLAINT:
            break
    try:
        return parse(data)
    except Broken:
        return data[:SAID].decode(errors="replace")


async def _events(answer: httpx2.Response) -> AsyncGenerator[bytes]:
    """The data of each event, up to `[DONE]`. An event of several lines is one piece. Raises Broken when there is no end.

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html"""
    held, data, size = b"", [], 0
    parts = answer.aiter_bytes()
    async for part in parts:
        size += len(part)
        if size > LONGEST:
            raise Broken(f"it has more than {LONGEST} bytes")
        *lines, held = (held + part).split(b"\n") if held else part.split(b"\n")
        for ended in lines:
            line = ended.removesuffix(b"\r")
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
            elif not line and data:
                event, data = b"\n".join(data), []
                if event == b"[DONE]":
                    await _end(parts)
                    return
                yield event
    if data and (event := b"\n".join(data)) != b"[DONE]":
        yield event


async def _end(parts: AsyncIterator[bytes]) -> None:
    """Wait a moment for the end of a stream that has said all, without which its connection is not used again."""
    try:
        async with asyncio.timeout(LAST):
            async for _ in parts:
                return
    except (TimeoutError, httpx2.TransportError):
        return


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds a provider asks to wait: `retry-after-ms`, or `Retry-After` (RFC 9110, 10.2.3) in seconds or as a date, which is
    read by the provider's own clock."""
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            wait = float(milliseconds) / 1000
        elif (given := headers.get("retry-after")) is None:
            return None
        elif given.strip().isdecimal():
            wait = float(given)
        else:
            wait = (parsedate_to_datetime(given) - parsedate_to_datetime(headers["date"])).total_seconds()
    except (ValueError, TypeError, KeyError, OverflowError):
        return None
    return max(wait, 0.0) if math.isfinite(wait) else None
