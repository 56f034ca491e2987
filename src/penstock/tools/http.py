"""The HTTP client an MCP session speaks through, with what the SDK's transport leaves open closed.

Left to itself, one refused connection takes down the session and every call on it, a page of HTML is `error response`,
and a body has no limit. Here each of these becomes an answer to the one request it belongs to.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, cast

import httpx2

from .limits import SESSION_GONE, UNREACHABLE, UNSENT

if TYPE_CHECKING:
    from .config import ServerConfig

CONNECT_SECONDS = 1.75


class BodyTooLarge(httpx2.StreamError, httpx2.SSEError):
    """Both of the errors the SDK's transport turns into an answer, one for JSON bodies and one for event streams."""

    def __init__(self) -> None:
        Exception.__init__(self, "penstock: the answer is too large")


class _Broken(httpx2.StreamError, httpx2.SSEError):
    def __init__(self, error: Exception) -> None:
        Exception.__init__(self, f"penstock: the connection broke: {type(error).__name__} {error}".rstrip())


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, longest: int) -> None:
        self._inner, self._longest = inner, longest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            async for chunk in self._inner:
                size += len(chunk)
                if size > self._longest:
                    raise BodyTooLarge
                yield chunk
        except httpx2.TransportError as error:
            raise _Broken(error) from error

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Contained(httpx2.AsyncBaseTransport):
    def __init__(self, config: ServerConfig) -> None:
        self._longest = config.max_result_bytes
        limits = httpx2.Limits(max_connections=config.parallel + 8, max_keepalive_connections=16)
        self._inner = httpx2.AsyncHTTPTransport(limits=limits)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method != "POST":
            return await self._inner.handle_async_request(request)
        try:
            response = await self._inner.handle_async_request(request)
        except httpx2.TransportError as error:
            unsent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
            message = f"no connection: {type(error).__name__} {error}".rstrip()
            return _answer(502, message, UNSENT if unsent else UNREACHABLE)
        status = response.status_code
        if status == 404 and "mcp-session-id" in request.headers:
            await response.aclose()
            return _answer(status, "the server has forgotten the session", SESSION_GONE)
        if status >= 400 and "json" not in response.headers.get("content-type", "").lower():
            await response.aclose()
            return _answer(status, f"HTTP {status} {response.reason_phrase}")
        response.stream = _Bounded(cast("httpx2.AsyncByteStream", response.stream), self._longest)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def _answer(status: int, message: str, code: int = UNREACHABLE) -> httpx2.Response:
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message, "data": status}}
    return httpx2.Response(status, headers={"content-type": "application/json"}, content=json.dumps(error).encode())


def http_client(config: ServerConfig) -> httpx2.AsyncClient:
    """A client for one server: its headers, no proxy from the environment, and no time limit on reading (each call has
    its own). The limit on connecting leaves time to go elsewhere."""
    return httpx2.AsyncClient(
        transport=_Contained(config),
        headers=config.headers,
        timeout=httpx2.Timeout(CONNECT_SECONDS, read=None, write=60.0, pool=None),
        trust_env=False,
    )
