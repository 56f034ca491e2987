"""The kind `notify`: one message to somebody else's server, signed as Standard Webhooks asks (standardwebhooks.com).

What is signed is `id.timestamp.body`, with HMAC-SHA256. The id and the body are made once and kept, so that each attempt sends
the same bytes under the same `webhook-id` and a receiver can tell a repetition; the timestamp is that of the attempt. A delivery
that was accepted is kept too, so it is made again only if the process dies before that is durable. Whether a failed one is tried
again is the step's `retry`; each attempt is in the journal. Which addresses may be reached is decided at the socket (`http_gate`),
and redirects are not followed: they would lead past the address that was agreed on.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import time
from datetime import UTC, datetime
from typing import Any, ClassVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..errors import Invalid, StepFailed, TimedOut, Unavailable
from ..ports import Clock, StepContext
from .http import Http, checked, shown

PREFIX = "whsec_"
KEY_BYTES = (24, 64)  # of a secret
EXCERPT = 500  # bytes of a refusal that the journal shows
GONE = 410  # the receiver wants no more


class NotifyConfig(BaseModel):
    """`with` of a notify step: whom to tell, and what."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(title="URL", description="Where to: http or https, without user and password.", max_length=8_192)
    secret: str = Field(
        title="Secret",
        min_length=1,
        max_length=200,
        description="Name of the secret it is signed with: whsec_ and 24 to 64 bytes in base64. With several, separated by blanks,"
        " each signs, so that they can be changed.",
    )
    event: str = Field(
        title="Event",
        pattern=r"^[a-zA-Z0-9_]+(\.[a-zA-Z0-9_]+)*$",
        max_length=200,
        description="The `type` of the message.",
    )
    data: Any = Field(default=None, title="Data", description="The `data` of the message.")
    id: str | None = Field(
        default=None,
        title="Id",
        pattern=r"^[A-Za-z0-9_-]{1,200}$",
        description="Its webhook-id; by default one that is the same for each attempt of this step.",
    )
    at: datetime | None = Field(
        default=None, title="Time", description="The `timestamp` of the message; that of the first attempt by default."
    )
    timeout_seconds: float = Field(default=15, gt=0, le=600, description="For one attempt.")
    private: bool = Field(
        default=True,
        description="Whether the host may be this machine or on a private network, where the operator permits it.",
    )

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        return checked(url)


class Notify:
    """Send a signed message, as a webhook. The output is {id, status}.

    Raises StepFailed `notify.refused` for an answer other than 2xx (detail: status, body; not retryable for redirects and 410),
    TimedOut `notify.timeout`, Unavailable `notify.unreachable`, Refused `http.address_refused`, Invalid `notify.bad_secret`.
    """

    name: ClassVar[str] = "notify"
    Config: ClassVar[type[BaseModel]] = NotifyConfig
    literal: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, http: Http, clock: Clock = time.time) -> None:
        """`http` has the connections, and knows whether private addresses are permitted."""
        self._http, self._clock = http, clock

    async def run(self, step: StepContext, config: NotifyConfig) -> dict[str, Any]:
        keys = keys_of(await step.secret(config.secret), config.secret)

        async def compose() -> dict[str, str]:
            at = config.at or datetime.fromtimestamp(self._clock(), UTC)
            name = config.id or f"msg_{hashlib.blake2b(step.key.encode(), digest_size=16).hexdigest()}"
            return {"id": name, "body": message(config.event, at, config.data)}

        told = await step.once("message", compose)
        await step.note(f"{config.event} to {shown(config.url)}, attempt {step.attempt}")
        return await step.once("sent", lambda: self._send(config, told["id"], told["body"].encode(), keys))

    async def _send(self, config: NotifyConfig, name: str, body: bytes, keys: list[bytes]) -> dict[str, Any]:
        import httpx2  # noqa: PLC0415  (90 ms that a process without webhooks need not spend)

        where, at = shown(config.url), int(self._clock())
        headers = {
            "User-Agent": "penstock",
            "Content-Type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": str(at),
            "webhook-signature": signatures(keys, name, at, body),
        }
        client = self._http.client(config.private)
        try:
            async with asyncio.timeout(config.timeout_seconds):
                request = client.build_request("POST", config.url, headers=headers, content=body)
                response = await client.send(request, stream=True, follow_redirects=False)
                try:
                    said = b"" if response.is_success else await _beginning(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise TimedOut(f"{where}: no answer within {config.timeout_seconds:g} s", code="notify.timeout") from None
        except httpx2.InvalidURL:
            raise Invalid(f"{where}: the URL is not one", code="http.url") from None
        except httpx2.HTTPError as error:
            why = type(error.__cause__ or error).__name__
            raise Unavailable(f"{where}: the exchange failed ({why})", code="notify.unreachable") from None
        status = response.status_code
        if response.is_success:
            return {"id": name, "status": status}
        final = status == GONE or 300 <= status < 400
        detail = {"status": status} | ({"body": said.decode(errors="replace")} if said else {})
        raise StepFailed(f"{where}: answered {status}", code="notify.refused", retryable=not final, detail=detail)


async def _beginning(response: Any) -> bytes:
    """The first bytes of a body, as they come."""
    data = b""
    async for chunk in response.aiter_raw():
        data += chunk
        if len(data) >= EXCERPT:
            break
    return data[:EXCERPT]


def message(event: str, at: datetime, data: Any) -> str:
    """The body: {type, timestamp, data}."""
    stamp = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="milliseconds")
    return orjson.dumps({"type": event, "timestamp": stamp.replace("+00:00", "Z"), "data": data}).decode()


def keys_of(secret: str, name: str) -> list[bytes]:
    """The keys in a secret. Raises Invalid, code `notify.bad_secret`."""
    try:
        keys = [base64.b64decode(one.removeprefix(PREFIX), validate=True) for one in secret.split()]
    except (ValueError, binascii.Error):
        keys = []
    low, high = KEY_BYTES
    if not keys or not all(low <= len(key) <= high for key in keys):
        raise Invalid(
            f"the secret {name!r} signs no webhook: it must be {PREFIX} and {low} to {high} bytes in base64",
            code="notify.bad_secret",
        )
    return keys


def signatures(keys: list[bytes], name: str, at: int, body: bytes) -> str:
    """`v1,SIGNATURE` with each key, separated by blanks. `at` is in seconds since the epoch."""
    signed = f"{name}.{at}.".encode() + body
    made = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{base64.b64encode(one).decode()}" for one in made)
