"""The door: who asks is settled before any route is reached.

A program shows a bearer token. A browser shows the cookie it got for following the URL that `penstock up` prints; since a
browser sends cookies whoever made it ask, such a request must also name a host that is ours (DNS rebinding) and, where it
says where it comes from, come from a page of ours (CSRF). `/healthz` and `/readyz` are open, `/metrics` to this machine.
The group comes from the token alone.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import Refused, Unauthenticated
from .problems import answer, unforeseen

OPEN = frozenset({"/healthz", "/readyz", "/.well-known/jwks.json"})
REMOTE = "/api/v1/work/"  # remote workers show tokens of their own, which are checked there
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
COOKIE_SECONDS = 30 * 86_400
ACTOR = "local"

_SIGN_IN = """<!doctype html><meta charset="utf-8"><title>Penstock</title>
<style>body{font:16px/1.5 system-ui;margin:15vh auto;max-width:34em;padding:0 1em;color-scheme:light dark}</style>
<h1>Penstock</h1><p>Open the address that <code>penstock up</code> printed: it carries the key to these pages.</p>
<p>Did that already, and came here from another site? <a href="">Go on</a>.</p>"""


@dataclass(frozen=True, slots=True)
class Caller:
    group: str
    actor: str


def ensure_token(given: str, data: Path) -> str:
    """The bearer token: the one from the settings, else that of DATA/token, which is made at the first start."""
    if given:
        return given
    path = data / "token"
    if path.exists() and (found := path.read_text().strip()):
        return found
    token = secrets.token_urlsafe(32)
    beside = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(token + "\n")
    beside.replace(path)
    return token


class Door:
    """ASGI middleware: lets in who may come in, with `penstock.caller` in the scope, and answers what the application could
    not."""

    def __init__(self, app: ASGIApp, token: str, hosts: Iterable[str] = ()) -> None:
        """`hosts` are names of this server, besides the loopback ones, that cookies are accepted for."""
        self._app = app
        self._token = token.encode()
        self._cookie = hmac.new(self._token, b"penstock cookie", hashlib.sha256).hexdigest()
        self._hosts = LOOPBACK | {host.lower() for host in hosts if host}
        self._caller = Caller("default", ACTOR)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            refusal = self._admit(scope)
            if refusal is not None:
                await refusal(scope, receive, send)
                return
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            return  # nobody is there to be answered
        except Exception as error:
            shown = unforeseen(error, f"{scope['method']} {scope['path']}")
            if started:
                raise
            await shown(scope, receive, send)

    def _admit(self, scope: Scope) -> Response | None:
        """None when the request may go on, else the answer to it."""
        path = scope["path"]
        headers = Headers(scope=scope)
        scope["penstock.caller"] = self._caller
        if path in OPEN or path.startswith(REMOTE):
            return None
        bearer = headers.get("authorization")
        if bearer is not None:
            kind, _, token = bearer.partition(" ")
            if kind.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._token):
                return None
            return answer(Unauthenticated("this token is not valid here", code="auth.bad_token"))
        if path == "/metrics" and self._is_local(scope) and self._is_ours(headers):
            return None
        if path == "/" and scope["query_string"]:
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            if given and hmac.compare_digest(given.encode(), self._token):
                return self._welcome(scope, headers)
        if not self._has_cookie(headers):
            if path == "/" or _is_visit(scope["method"], path, headers):
                return HTMLResponse(_SIGN_IN, 401, {"WWW-Authenticate": 'Bearer realm="penstock"'})
            return answer(Unauthenticated("a bearer token is needed", code="auth.missing"))
        if not self._is_ours(headers):
            return answer(Refused(f"{headers.get('host', '')!r} is no name of this server", code="auth.host"))
        if not _is_from_here(scope["method"], headers):
            return answer(Refused("this request was made by a page of another site", code="auth.origin"))
        return None

    def _welcome(self, scope: Scope, headers: Headers) -> Response:
        response = RedirectResponse("/", 303)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.set_cookie(
            _cookie_name(headers),
            self._cookie,
            max_age=COOKIE_SECONDS,
            httponly=True,
            samesite="strict",
            secure=scope.get("scheme") == "https",
        )
        return response

    def _has_cookie(self, headers: Headers) -> bool:
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        found = cookies.get(_cookie_name(headers))
        return found is not None and hmac.compare_digest(found.value.encode(), self._cookie.encode())

    def _is_ours(self, headers: Headers) -> bool:
        """A name of ours, or an address: whoever rebinds a name cannot make a browser send an address instead."""
        host = _split_host(headers.get("host", ""))[0] or ""
        return host in self._hosts or _is_address(host)

    @staticmethod
    def _is_local(scope: Scope) -> bool:
        client = scope.get("client")
        return client is not None and (client[0] in LOOPBACK or client[0].startswith("127."))


def _is_from_here(method: str, headers: Headers) -> bool:
    """Whether a request that shows a cookie was made by a page of this server, as far as the browser says."""
    origin = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    site = headers.get("sec-fetch-site")
    if method in SAFE:
        return site in (None, "same-origin", "none")
    return site == "same-origin"


def _is_visit(method: str, path: str, headers: Headers) -> bool:
    """Whether a person opens a page, as by a link to a run."""
    return method in SAFE and not path.startswith("/api/") and "text/html" in headers.get("accept", "")


def _split_host(host: str) -> tuple[str | None, int | None]:
    try:
        parts = urlsplit(f"//{host}")
        return parts.hostname, parts.port
    except ValueError:
        return None, None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _cookie_name(headers: Headers) -> str:
    """Cookies do not tell ports apart, and two servers may run on one machine."""
    return f"penstock_{_split_host(headers.get('host', ''))[1] or 80}"
