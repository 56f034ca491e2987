"""How a command reaches Penstock: through the server that owns the data folder, or, where there is none, with everything in this
process. Commands see one small surface, `Link`, and behave alike on both sides.

Whatever is not about following a run goes through `call`, which is the HTTP API in both cases: without a server the API's own
application answers within the process. So there is one place that decides what a request means.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs, urlsplit, urlunsplit

from .failures import UsageError

if TYPE_CHECKING:
    from ..engine.events import Event

ENDS = frozenset({"run.completed", "run.failed", "run.cancelled"})
FOLDER = "~/.penstock"


@dataclass(frozen=True, slots=True)
class Text:
    """A document as text, and the name people know it by."""

    source: str
    content: bytes


class Runs(Protocol):
    """What it takes to stay with a run."""

    async def start(self, body: dict[str, Any]) -> str:
        """Begin a run, with the body of POST /runs; returns its id once it is durable. Raises NotFound, Invalid."""
        ...

    def follow(self, run_id: str, after: int = 0) -> AsyncGenerator[list[Event], None]:
        """The run's events from `after` on, in order, as they come, until the run ends. Raises NotFound."""
        ...

    async def cancel(self, run_id: str, reason: str | None = None) -> None:
        """Raises Conflict, code `run.ended`."""
        ...

    async def answer(self, run_id: str, step: str, body: dict[str, Any]) -> None:
        """{decision, comment?, fields?} to a question. Raises NotFound, Invalid, Conflict (code `approval.decided`)."""
        ...

    async def content(self, run_id: str, digest: str) -> bytes:
        """An artifact of the run, or a value of it too large for the journal. Raises NotFound."""
        ...


class Link(Runs, Protocol):
    """One side. `local` is True where runs go on in this process and stop with it."""

    local: bool

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """A request of the API, `path` below /api/v1; returns its JSON (None where there is none). Raises PenstockError."""
        ...

    async def draft(self, slug: str) -> dict[str, Any]:
        """A workflow's draft: at least `document` and `etag`. Raises NotFound."""
        ...

    async def check(self, text: Text) -> dict[str, Any]:
        """{valid, problems, preflight}: what is wrong with a document, and what stands in the way of running it there."""
        ...

    async def apply(self, text: Text) -> dict[str, Any]:
        """Save a document as the draft of its slug, whatever the draft was; returns it. Raises Invalid, with the places."""
        ...


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    token: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command works: a data folder, and the server to ask instead, if one was named."""

    data: Path
    named: str | None = None

    @classmethod
    def at(cls, data: Path | None, server: str | None) -> Place:
        return cls((data or Path(FOLDER)).expanduser().absolute(), server)

    def prepare(self) -> Path:
        """The data folder, made if need be. Raises UsageError, code `data.unwritable`."""
        if why := unwritable(self.data, 0o700):
            raise UsageError(f"--data {self.data}: {why}", code="data.unwritable")
        return self.data

    def server(self) -> Server | None:
        """The server that was named, or the one that owns the data folder now; None to work without."""
        if self.named is not None:
            return self._read_url(self.named)
        try:
            owner = json.loads((self.data / "server.json").read_text())
            url, pid = str(owner["url"]), int(owner["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return self._read_url(url) if _is_alive(pid) and _listens(url) else None

    def _read_url(self, url: str) -> Server:
        """A URL as it is printed by `penstock up`, token and all, or without."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(
                f"--server {url.split('?', maxsplit=1)[0]}: a server's address is http://HOST:PORT",
                code="server.bad_url",
            )
        token = parse_qs(parts.query).get("token", [""])[0] or os.environ.get("PENSTOCK_TOKEN", "")
        if not token:  # the environment has it above all for servers elsewhere, whose data folder is not here
            with contextlib.suppress(OSError):
                token = (self.data / "token").read_text().strip()
        return Server(urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", "")), token)


@contextlib.asynccontextmanager
async def connect(place: Place, active: bool = False) -> AsyncIterator[Link]:
    """The side to work with. `active` is asked for where runs must go on in this process if there is no server; without it the
    data folder is only read and its catalog changed, and another process may own it. Raises Conflict, code `data.in_use`."""
    server = place.server()
    if server is not None:
        from .remote import Remote  # noqa: PLC0415 - each side is loaded by those who use it

        async with Remote(server) as link:
            yield link
    else:
        from .embedded import Embedded  # noqa: PLC0415

        async with Embedded(place, active) as link:
            yield link


def unwritable(folder: Path, mode: int = 0o777) -> str | None:
    """Why nothing can be written into the folder, which is made if need be; None when all is well."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=mode)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None if os.access(folder, os.W_OK) else "it may not be written to"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _listens(url: str) -> bool:
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=2.0):
            return True
    except OSError:
        return False
