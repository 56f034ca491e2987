"""The kind `http`: one HTTP request.

Which addresses it may reach is decided at the socket (`http_gate`), for redirects too. A request that may change
something is kept under the key `request`: a step that is delivered again does not send it again, and one that is retried
carries the same Idempotency-Key. Responses are bounded while they are read.
"""

from __future__ import annotations

import asyncio
import codecs
import email.utils
import re
import zlib
from datetime import UTC
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..errors import Invalid, PenstockError, StepFailed, TimedOut, TooLarge, Unavailable
from ..ports import StepContext
from .http_gate import Gate

if TYPE_CHECKING:
    import httpx2

MIB = 1024 * 1024
INLINE_TEXT = 64 * 1024
EXCERPT = 2_000
REDIRECTS = 10
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
RETRYABLE = frozenset({408, 425, 429})
REDIRECTING = frozenset({301, 302, 303, 307, 308})
# What leaves with a request to another origin; whatever else the author set may be meant for the first one alone.
TRAVELS = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "user-agent", "idempotency-key"})
OURS = frozenset(
    {"host", "connection", "accept-encoding", "content-length", "transfer-encoding", "upgrade", "te", "trailer"}
)
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
TEXTUAL = re.compile(
    r"text/|application/(xml|javascript|ecmascript|yaml|x-yaml|toml|graphql|x-www-form-urlencoded)|.*\+xml"
)

Scalar = str | int | float | bool | None


class HttpConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")

    method: Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] = Field(
        default="GET", title="Method", description="What to do with the resource."
    )
    url: str = Field(title="URL", description="Where to: http or https, without user and password.", max_length=8_192)
    headers: dict[str, str] = Field(
        default={}, title="Headers", description="Request headers. They are journalled: credentials go in auth_secret."
    )
    query: dict[str, Scalar | list[Scalar]] = Field(
        default={}, title="Query", description="Parameters added to the URL; a list repeats its name."
    )
    payload: Any = Field(default=None, alias="json", title="JSON", description="The body, as a JSON value.")
    body: str | None = Field(default=None, title="Body", description="The body, as text; set Content-Type yourself.")
    auth_secret: str | None = Field(
        default=None, title="Secret", description="Name of a secret, sent as Authorization: Bearer.", min_length=1
    )
    timeout_seconds: float = Field(
        default=30, title="Time-out (s)", description="For the whole exchange, redirects included.", gt=0, le=3_600
    )
    expect: list[int] = Field(
        default=[], title="Expected statuses", description="Statuses that mean success; any 2xx if none is named."
    )
    max_bytes: int = Field(
        default=MIB, title="Most bytes", description="Largest response body, unpacked.", ge=1, le=256 * MIB
    )
    follow_redirects: bool = Field(
        default=False, title="Follow redirects", description=f"Up to {REDIRECTS}; credentials stay with their origin."
    )
    private: bool = Field(
        default=True,
        title="Private addresses",
        description="Whether the host may be this machine or on a private network. Link-local addresses and those of "
        "cloud metadata are refused in any case.",
    )

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        return checked(url)

    @field_validator("headers")
    @classmethod
    def _headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not TOKEN.fullmatch(name) or name.lower() in OURS:
                raise ValueError(f"the header {name!r} cannot be set")
            if any(c in value for c in "\r\n\0") or not value.isascii():
                raise ValueError(f"the value of the header {name!r} has characters a header cannot have")
        return headers

    @model_validator(mode="after")
    def _one_body(self) -> HttpConfig:
        if self.body is not None and "payload" in self.model_fields_set:
            raise ValueError("give json or body, not both")
        if any(not 100 <= status <= 599 for status in self.expect):
            raise ValueError("expect holds statuses from 100 to 599")
        return self


class Http:
    """Make one HTTP request. The output is {status, headers, and json, text or artifact}: JSON parsed, text up to 64 KiB,
    anything else as the handle of an artifact. Headers are in lower case; Set-Cookie is left out.

    Raises StepFailed `http.status` (retryable for 408, 425, 429 and 5xx; detail: status, body, retry_after in seconds),
    Unavailable `http.unreachable` and TimedOut `http.timeout` (retryable), Refused `http.address_refused`, TooLarge
    `http.too_large`, Invalid `http.url` and `http.redirects`.
    """

    name: ClassVar[str] = "http"
    Config: ClassVar[type[BaseModel]] = HttpConfig
    literal: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, private: bool = True) -> None:
        """`private` False refuses private addresses to every step, whatever it says itself."""
        self._private = private
        self._clients: dict[bool, httpx2.AsyncClient] = {}

    async def run(self, step: StepContext, config: HttpConfig) -> Any:
        secret = await step.secret(config.auth_secret) if config.auth_secret else None
        if config.method in SAFE:
            return await self._exchange(step, config, secret)
        return await step.once("request", lambda: self._exchange(step, config, secret))

    async def aclose(self) -> None:
        """Close pooled connections."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()

    def client(self, private: bool) -> httpx2.AsyncClient:
        """The pool of connections: with `private`, one that reaches private addresses, where the installation permits it."""
        # A pool each: a connection opened with private addresses permitted must not serve a request without.
        private = private and self._private
        client = self._clients.get(private)
        if client is None:
            client = self._clients[private] = open_client(private)
        return client

    async def _exchange(self, step: StepContext, config: HttpConfig, secret: str | None) -> dict[str, Any]:
        import httpx2  # noqa: PLC0415  (90 ms that a process without http steps need not spend)

        client = self.client(config.private)
        where = f"{config.method} {shown(config.url)}"
        try:
            async with asyncio.timeout(config.timeout_seconds):
                request = _request(client, step, config, secret)
                for _ in range(REDIRECTS + 1):
                    response = await client.send(request, stream=True, follow_redirects=False)
                    try:
                        following = _redirected(client, request, response) if config.follow_redirects else None
                        if following is None:
                            data = await _read(response, config.max_bytes)
                            break
                    finally:
                        await response.aclose()
                    request = following
                else:
                    raise Invalid(f"{where}: more than {REDIRECTS} redirects.", code="http.redirects")
        except TimeoutError:
            message = f"{where}: no complete answer within {config.timeout_seconds:g} s."
            raise TimedOut(message, code="http.timeout") from None
        except httpx2.InvalidURL:
            raise Invalid(f"{where}: the URL is not one.", code="http.url") from None
        except httpx2.HTTPError as error:
            # The library's messages may quote the request; the type says enough.
            why = type(error.__cause__ or error).__name__
            raise Unavailable(f"{where}: the exchange failed ({why}).", code="http.unreachable") from None
        if response.status_code in config.expect if config.expect else response.is_success:
            return await _output(step, response, data)
        raise _unexpected(where, response, data)


def _request(client: httpx2.AsyncClient, step: StepContext, config: HttpConfig, secret: str | None) -> httpx2.Request:
    import httpx2  # noqa: PLC0415

    # gzip is unpacked here, within bounds; the library would unpack a whole chunk at once, and more formats.
    headers = httpx2.Headers({"User-Agent": "penstock", "Accept": "*/*", "Accept-Encoding": "gzip"})
    content = config.body
    if "payload" in config.model_fields_set:
        content = orjson.dumps(config.payload)
        headers["Content-Type"] = "application/json"
    if config.method not in SAFE:
        headers["Idempotency-Key"] = step.key
    headers.update(config.headers)
    if secret is not None:
        if any(c in secret for c in "\r\n\0") or not secret.isascii():
            raise Invalid(f"The secret {config.auth_secret!r} cannot be sent in a header.", code="http.secret")
        headers["Authorization"] = f"Bearer {secret}"
    url = httpx2.URL(config.url)
    if config.query:
        url = url.copy_merge_params({name: value for name, value in config.query.items() if value is not None})
    return client.build_request(config.method, url, headers=headers, content=content)


def _redirected(
    client: httpx2.AsyncClient, request: httpx2.Request, response: httpx2.Response
) -> httpx2.Request | None:
    """The request a redirect asks for, or None if this is no redirect. RFC 9110, section 15.4."""
    location = response.headers.get("location")
    if response.status_code not in REDIRECTING or not location:
        return None
    url = request.url.join(location)
    try:
        checked(str(url))
    except ValueError as error:
        raise Invalid(f"{shown(str(request.url))} redirects to {error}.", code="http.url") from None
    method, content, headers = request.method, request.content, request.headers.copy()
    for name in ("host", "content-length", "transfer-encoding"):
        headers.pop(name, None)
    to_get = response.status_code == 303 or (response.status_code in (301, 302) and method == "POST")
    if to_get and method != "HEAD":
        method, content = "GET", b""
        headers.pop("content-type", None)
    if url.origin != request.url.origin:
        headers = {name: value for name, value in headers.items() if name in TRAVELS}
    return client.build_request(method, url, headers=headers, content=content or None)


async def _read(response: httpx2.Response, most: int) -> bytes:
    """The body, unpacked. Raises TooLarge as soon as it is known to be larger than `most` bytes."""
    large = TooLarge(f"The response is larger than max_bytes ({most}).", code="http.too_large")
    encoding = response.headers.get("content-encoding", "").strip().lower()
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32) if encoding in ("gzip", "x-gzip", "deflate") else None
    if unpack is None and encoding not in ("", "identity"):
        raise StepFailed(f"The response is packed as {encoding[:40]!r}.", code="http.encoding", retryable=False)
    declared = response.headers.get("content-length", "")
    if (
        unpack is None
        and declared.isascii()
        and declared.isdigit()
        and int(declared) > most
        and response.request.method != "HEAD"
    ):
        raise large
    data = bytearray()
    async for chunk in response.aiter_raw():
        try:
            data += unpack.decompress(chunk, most + 1 - len(data)) if unpack else chunk
        except zlib.error:
            raise StepFailed("The response's content encoding is broken.", code="http.encoding") from None
        if len(data) > most:
            raise large
    if unpack and data and not unpack.eof:
        raise StepFailed("The response's content encoding is broken.", code="http.encoding")
    return bytes(data)


async def _output(step: StepContext, response: httpx2.Response, data: bytes) -> dict[str, Any]:
    headers = {name: value for name, value in response.headers.items() if name != "set-cookie"}
    output: dict[str, Any] = {"status": response.status_code, "headers": headers}
    mime = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if mime == "application/json" or mime.endswith("+json"):
        try:
            return output | {"json": orjson.loads(data)}
        except ValueError:
            pass
    text = _text(response, mime, data)
    if text is not None and len(data) <= INLINE_TEXT:
        return output | {"text": text}
    name = response.request.url.path.rstrip("/").rpartition("/")[2][:200] or "response"
    return output | {"artifact": await step.save(name, data, mime or "application/octet-stream")}


def _text(response: httpx2.Response, mime: str, data: bytes) -> str | None:
    """The body as text, or None if it is not that."""
    charset = response.charset_encoding
    if mime and not charset and not TEXTUAL.match(mime) and "json" not in mime and data:
        return None
    try:
        codecs.lookup(charset or "utf-8")
        text = data.decode(charset or "utf-8", "replace" if mime else "strict")
    except (LookupError, UnicodeError):
        return None
    return text if "\0" not in text else None


def _unexpected(where: str, response: httpx2.Response, data: bytes) -> PenstockError:
    status = response.status_code
    mime = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    detail: dict[str, Any] = {"status": status}
    if text := _text(response, mime, data[: 4 * EXCERPT]):
        detail["body"] = text[:EXCERPT]
    seconds = _retry_after(response)
    if seconds is not None:
        detail["retry_after"] = seconds
    message = f"{where}: answered {status} {response.reason_phrase}".rstrip() + "."
    return StepFailed(message, code="http.status", retryable=status in RETRYABLE or status >= 500, detail=detail)


def _retry_after(response: httpx2.Response) -> float | None:
    """Seconds the server asks to wait, from a number or a date (then counted from the server's own clock)."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        until = email.utils.parsedate_to_datetime(text)
        now = email.utils.parsedate_to_datetime(response.headers.get("date", ""))
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=UTC) - now.replace(tzinfo=UTC)).total_seconds())


def checked(url: str) -> str:
    """The URL, if it is one this kind may use. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme.lower() not in ("http", "https"):
        raise ValueError("not a URL of http or https")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL with a user or password: send credentials with auth_secret")
    if not parts.hostname or any(c.isspace() or c == "\\" or not c.isprintable() for c in url):
        raise ValueError("not a URL with a host")
    _ = parts.port  # raises ValueError when it is no port
    return url


def shown(url: str) -> str:
    """A URL for messages: without its query, where tokens travel."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def open_client(private: bool) -> httpx2.AsyncClient:
    from http.cookiejar import CookieJar, DefaultCookiePolicy  # noqa: PLC0415

    import httpcore2  # noqa: PLC0415
    import httpx2  # noqa: PLC0415

    context = httpx2.create_ssl_context()
    transport = httpx2.AsyncHTTPTransport(verify=context)
    # The transport offers no way to pass a network backend on to its pool.
    transport._pool = httpcore2.AsyncConnectionPool(
        ssl_context=context,
        max_connections=200,
        max_keepalive_connections=50,
        keepalive_expiry=15.0,
        network_backend=Gate(private),  # type: ignore[arg-type]
    )
    # No cookie is ever kept: the pool serves steps of many runs and groups. No proxy either: it would connect for us.
    jar = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    return httpx2.AsyncClient(transport=transport, timeout=None, trust_env=False, cookies=jar)
