"""The keys that envelopes are signed with, and the published halves they are verified with.

Each pair has an id that begins with the time it was made, so the newest is known without asking anybody. Private halves are
in the vault, under the group `system`, and nowhere else. A new pair signs from the moment it is there; the one before stays
published until everything it can have signed has expired. Two processes that make the first pair at once make two, and both
are good. Whoever verifies keeps what was published and asks again, once, when an id is unknown.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson

from ..errors import NotFound, Unauthenticated, Unavailable
from ..ports import Clock, Registry, Vault
from .envelope import ALGORITHM, LIFETIME

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

GROUP = "system"
TOKENS = "worker-tokens"
PREFIX = "signing-key."
BITS = 2048
AGE = 30 * 86_400.0  # seconds after which a pair is replaced by itself
OVERLAP = LIFETIME + 3_600.0  # seconds a pair stays published after its successor was made
FRESH = 3_600.0  # seconds that a fetched key set is believed: what was withdrawn ends with them
REFRESHES = (5, 60.0)  # unknown ids may cause so many fetches in so many seconds: they are made up for nothing


class SigningKeys:
    """Key pairs in a vault. Every process that signs or publishes has one; they agree through the vault alone."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock
        self._known: dict[str, RSAKey] = {}
        self._making = asyncio.Lock()

    async def current(self) -> RSAKey:
        """The pair to sign with: the newest, made now where there is none or it is too old."""
        kids = await self._kids()
        if not kids or _made_at(kids[-1]) + AGE < self._clock():
            async with self._making:
                kids = await self._kids()
                if not kids or _made_at(kids[-1]) + AGE < self._clock():
                    return await self._make()
        return await self._key(kids[-1])

    async def rotate(self) -> str:
        """Make a new pair to sign with, and forget those that nobody can need any more; returns its id."""
        async with self._making:
            made = await self._make()
        for one in await self.listed():
            if one["published_until"] is not None and one["published_until"] < self._clock():
                await self._forget(one["kid"])
        return str(made.kid)

    async def listed(self) -> list[dict[str, Any]]:
        """Each pair, the newest first: {kid, made_at, published_until}; times are seconds since the epoch, and
        `published_until` is None for the pair that signs."""
        kids = await self._kids()
        rows = []
        for kid, successor in itertools.zip_longest(kids, kids[1:]):
            until = None if successor is None else _made_at(successor) + OVERLAP
            rows.append({"kid": kid, "made_at": _made_at(kid), "published_until": until})
        return rows[::-1]

    async def published(self) -> dict[str, Any]:
        """The public halves as a JSON Web Key Set (RFC 7517), the newest first."""
        now = self._clock()
        live = [one["kid"] for one in await self.listed() if (one["published_until"] or now) >= now]
        keys = [(await self._key(kid)).as_dict(private=False, use="sig", alg=ALGORITHM) for kid in live]
        return {"keys": keys}

    async def public(self, kid: str) -> RSAKey | None:
        """The pair of an id while it is published, to verify what came back to us."""
        now = self._clock()
        for one in await self.listed():
            if one["kid"] == kid and (one["published_until"] or now) >= now:
                return await self._key(kid)
        return None

    async def _kids(self) -> list[str]:
        """The oldest first."""
        names = await self._vault.names(GROUP)
        return sorted(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))

    async def _key(self, kid: str) -> RSAKey:
        from joserfc.jwk import RSAKey  # noqa: PLC0415

        if kid not in self._known:
            self._known[kid] = RSAKey.import_key(orjson.loads(await self._vault.get(GROUP, PREFIX + kid)))
        return self._known[kid]

    async def _make(self) -> RSAKey:
        from joserfc.jwk import RSAKey  # noqa: PLC0415

        kid = f"{round(self._clock() * 1000):012x}-{secrets.token_hex(4)}"
        key = await asyncio.to_thread(RSAKey.generate_key, BITS, {"kid": kid})
        await self._vault.put(GROUP, PREFIX + kid, orjson.dumps(key.as_dict(private=True)).decode())
        self._known[kid] = key
        return key

    async def _forget(self, kid: str) -> None:
        self._known.pop(kid, None)
        try:
            await self._vault.delete(GROUP, PREFIX + kid)
        except NotFound:
            return  # another process was faster


class PublishedKeys:
    """The other side: a key set that is fetched, kept, and fetched once more for an id it does not hold."""

    def __init__(self, fetch: Callable[[], Awaitable[dict[str, Any]]], clock: Clock) -> None:
        """`fetch` gets the key set from where the operator said it is; nothing in an envelope has a say in that."""
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, RSAKey] = {}
        self._fetched: list[float] = []
        self._fresh_until = 0.0
        self._fetching = asyncio.Lock()

    async def public(self, kid: str) -> RSAKey | None:
        """The key of an id, None for one that is not published. Raises what `fetch` raises."""
        if self._is_stale() or kid not in self._keys:
            async with self._fetching:
                if self._is_stale() or (kid not in self._keys and self._may_fetch()):
                    self._keys = _read(await self._fetch())
                    self._fresh_until = self._clock() + FRESH
        return self._keys.get(kid)

    def _is_stale(self) -> bool:
        return self._clock() >= self._fresh_until

    def _may_fetch(self) -> bool:
        most, seconds = REFRESHES
        now = self._clock()
        self._fetched = [at for at in self._fetched if at > now - seconds]
        if len(self._fetched) >= most:
            return False
        self._fetched.append(now)
        return True


def _read(found: Any) -> dict[str, RSAKey]:
    """The RSA keys for signing in a key set; whatever else is in it is left out."""
    from joserfc.errors import JoseError  # noqa: PLC0415
    from joserfc.jwk import RSAKey  # noqa: PLC0415

    rows = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(rows, list):
        raise Unavailable("what was fetched is no key set", code="keys.malformed")
    out: dict[str, RSAKey] = {}
    for row in rows:
        if (
            isinstance(row, dict)
            and row.get("kty") == "RSA"
            and row.get("use") == "sig"
            and row.get("alg") == ALGORITHM
        ):
            try:
                key = RSAKey.import_key({name: row[name] for name in ("kty", "n", "e", "kid")})
            except (JoseError, ValueError, KeyError, TypeError):
                continue
            out[str(key.kid)] = key
    return out


def _made_at(kid: str) -> float:
    return int(kid.partition("-")[0], 16) / 1000


class WorkerTokens:
    """What those who pull show: a token that is good for taking the work of one audience of one group and for nothing else. The
    digest is kept, never the token."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock

    async def issue(self, group: str, audience: str) -> str:
        """A new token; this is the only time it is seen."""
        token = f"pw_{secrets.token_urlsafe(32)}"
        body = {"group": group, "audience": audience, "made_at": self._clock()}
        await self._registry.put(GROUP, TOKENS, _hashed(token), body)
        return token

    async def bearer(self, token: str) -> tuple[str, str]:
        """Whose work the token is for: (group, audience). Raises Unauthenticated, code `worker.bad_token`."""
        try:
            found = await self._registry.get(GROUP, TOKENS, _hashed(token))
            return found["group"], found["audience"]
        except NotFound:
            raise Unauthenticated("this is no worker's token", code="worker.bad_token") from None

    async def listed(self, group: str) -> list[dict[str, Any]]:
        """{audience, made_at} of each token of a group, the oldest first."""
        rows = [row for row in (await self._registry.list(GROUP, TOKENS)).values() if row["group"] == group]
        rows.sort(key=lambda row: row["made_at"])
        return [{"audience": row["audience"], "made_at": row["made_at"]} for row in rows]

    async def revoke(self, group: str, audience: str) -> int:
        """End every token of an audience; returns how many there were."""
        rows = await self._registry.list(GROUP, TOKENS)
        theirs = [name for name, row in rows.items() if (row["group"], row["audience"]) == (group, audience)]
        return sum([await self._registry.delete(GROUP, TOKENS, name) for name in theirs])


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
