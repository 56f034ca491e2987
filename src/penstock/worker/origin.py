"""The way back: to the one server this worker was started for, and to nothing else.

An envelope names addresses, and so could whoever might forge one; an address is used only when it is on that server, redirects
are never followed, and whatever the server's name resolves to, a cloud's metadata service is not among it. So there is no
envelope that makes a worker ask its own network.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpcore2
import httpx2
import orjson

from ..errors import Invalid, PenstockError, Refused, StepFailed, TooLarge, Unavailable
from ..nodes.http_gate import Gate

LONGEST = 64 * 1024 * 1024  # bytes of an answer
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


class Origin:
    """One server, by its address: http(s)://HOST[:PORT][/PREFIX]. `aclose` when done."""

    def __init__(self, url: str) -> None:
        """Raises Invalid, code `server.bad_url`."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise Invalid("a server's address is http://HOST:PORT", code="server.bad_url")
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._place = _place(self.url)
        self._client = _open()

    def resolve(self, target: str) -> str:
        """The address `target` means: a path on this server, or an absolute URL of it. Raises Refused, code
        `callback.foreign`, for any other."""
        if any(c.isspace() or c == "\\" or not c.isprintable() for c in target):
            raise Refused("this is no address", code="callback.foreign")
        if target.startswith("/") and not target.startswith("//"):
            return self.url + target
        try:
            parts = urlsplit(target)
            same = _place(target) == self._place and parts.username is None and "@" not in parts.netloc
        except ValueError:
            same = False
        if not same or not target.startswith(f"{self.url}/"):
            raise Refused("this address is not on the server this worker works for", code="callback.foreign")
        return target

    async def ask(
        self,
        method: str,
        target: str,
        *,
        json: Any = None,
        data: bytes | None = None,
        token: str = "",
        seconds: float = 30.0,
    ) -> tuple[int, bytes]:
        """One request; (status, body) of an answer below 400. Raises Refused `callback.foreign`, `callback.redirected`,
        Unavailable `server.unreachable`, TooLarge, and what the server answered as StepFailed with the server's own code,
        retryable where trying again may help."""
        url = self.resolve(target)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        content = orjson.dumps(json) if json is not None else data
        if content is not None:
            headers["Content-Type"] = "application/json"
        try:
            timeout = httpx2.Timeout(10.0, read=seconds, write=60.0, pool=None)
            async with self._client.stream(method, url, headers=headers, content=content, timeout=timeout) as answer:
                body = bytearray()
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > LONGEST:
                        raise TooLarge("the server answered with more than a worker takes", code="server.too_large")
        except httpx2.HTTPError as error:
            name = type(error.__cause__ or error).__name__
            raise Unavailable(f"{self.url} cannot be reached: {name}", code="server.unreachable") from None
        if 300 <= answer.status_code < 400:
            raise Refused("the server sends this worker elsewhere, and it does not go", code="callback.redirected")
        if answer.status_code >= 400:
            raise _said(answer.status_code, bytes(body))
        return answer.status_code, bytes(body)

    async def aclose(self) -> None:
        await self._client.aclose()


def _place(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return parts.scheme, (parts.hostname or "").lower(), port


def _said(status: int, body: bytes) -> PenstockError:
    try:
        said = orjson.loads(body)
    except ValueError:
        said = None
    said = said if isinstance(said, dict) else {}
    message = f"the server answered {status}: {said.get('detail', '')}"
    return StepFailed(message[:500], code=str(said.get("code", f"http.{status}")), retryable=status in _AGAIN)


def _open() -> httpx2.AsyncClient:
    context = httpx2.create_ssl_context()
    transport = httpx2.AsyncHTTPTransport(verify=context)
    # The transport offers no way to pass a network backend on to its pool.
    transport._pool = httpcore2.AsyncConnectionPool(
        ssl_context=context,
        network_backend=Gate(private=True),  # type: ignore[arg-type] - the part of the backend that a pool uses
    )
    return httpx2.AsyncClient(transport=transport, trust_env=False, follow_redirects=False)
