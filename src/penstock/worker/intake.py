"""What a worker accepts: an envelope its server signed, for it, now, once, whose way back leads to that server."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import orjson

from ..errors import PenstockError
from ..tools.envelope import Envelope, check_digest, verify
from ..tools.keys import PublishedKeys
from .origin import Origin

JWKS = "/.well-known/jwks.json"
AGAIN = 1.0  # seconds before asking again

T = TypeVar("T")


class SeenNonces:
    """Nonces in a file, so that a worker that was restarted knows what it did; all workers with the same file share them."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._db = sqlite3.connect(path, timeout=10.0, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE IF NOT EXISTS nonces (nonce TEXT PRIMARY KEY, until REAL NOT NULL)")

    async def take(self, nonce: str, until: float) -> bool:
        """See envelope.Nonces."""
        self._db.execute("DELETE FROM nonces WHERE until < ?", (self._clock(),))
        done = self._db.execute("INSERT INTO nonces VALUES (?, ?) ON CONFLICT DO NOTHING", (nonce, until))
        return done.rowcount == 1

    def close(self) -> None:
        self._db.close()


@dataclass(frozen=True, slots=True)
class Accepted:
    envelope: Envelope
    arguments: dict[str, Any]


class Intake:
    def __init__(
        self,
        origin: Origin,
        audience: str,
        nonces: SeenNonces,
        clock: Callable[[], float],
        patience: float = 0.0,
    ) -> None:
        """`patience`: seconds to go on asking a server that does not answer, for those nobody waits for."""
        self._origin = origin
        self._audience = audience
        self._nonces = nonces
        self._clock = clock
        self._patience = patience
        self._keys = PublishedKeys(self._published, clock)

    async def accept(self, text: str) -> Accepted:
        """The order in an envelope, with its arguments. Raises EnvelopeRefused (see envelope.verify), Refused
        `callback.foreign`, and what Origin.ask raises where something has to be fetched."""

        async def verified() -> Envelope:
            return await verify(text, self._keys.public, self._audience, self._clock(), self._nonces, self._leads_back)

        envelope = await self._patiently(verified)
        if envelope.arguments is not None:
            return Accepted(envelope, envelope.arguments)
        reply = envelope.reply
        arguments = f"{reply['url']}/arguments"
        _, data = await self._patiently(lambda: self._origin.ask("GET", arguments, token=reply["token"]))
        check_digest(data, envelope.digest, envelope.size)
        return Accepted(envelope, orjson.loads(data))

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        until = self._clock() + self._patience
        while True:
            try:
                return await ask()
            except PenstockError as error:
                if not error.retryable or self._clock() >= until:
                    raise
            await asyncio.sleep(AGAIN)

    def _leads_back(self, envelope: Envelope) -> None:
        self._origin.resolve(envelope.reply["url"])
        self._origin.resolve(envelope.reply["upload"])

    async def _published(self) -> dict[str, Any]:
        return orjson.loads((await self._origin.ask("GET", JWKS))[1])
