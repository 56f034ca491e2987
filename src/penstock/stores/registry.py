"""Named things of a group, and the sums of what it has used: in one SQL that both databases understand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from ..errors import Invalid, NotFound
from ..ports import Clock
from .catalog import Database

NAME_LIMIT = 200


class NamedThings:
    """See ports.Registry."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database
        self._clock = clock

    async def put(self, group: str, kind: str, name: str, body: dict[str, Any]) -> None:
        if not name or len(name) > NAME_LIMIT or not name.isprintable() or "/" in name:
            message = f"a name is 1 to {NAME_LIMIT} printable characters without /, not {name[:80]!r}"
            raise Invalid(message, code="name.bad")
        await self._db.execute(
            "INSERT INTO registry (grp, kind, name, body, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)"
            " ON CONFLICT (grp, kind, name) DO UPDATE SET body = ?4, updated_at = ?5 RETURNING name",
            (group, kind, name, orjson.dumps(body).decode(), self._clock()),
        )

    async def get(self, group: str, kind: str, name: str) -> dict[str, Any]:
        rows = await self._db.fetch(
            "SELECT body FROM registry WHERE grp = ?1 AND kind = ?2 AND name = ?3", (group, kind, name)
        )
        if not rows:
            one = kind[:-3] + "y" if kind.endswith("ies") else kind.removesuffix("s")
            raise NotFound(f"there is no {one} {name!r}", code=f"{one}.not_found")
        return orjson.loads(rows[0][0])

    async def list(self, group: str, kind: str) -> dict[str, dict[str, Any]]:
        rows = await self._db.fetch(
            "SELECT name, body FROM registry WHERE grp = ?1 AND kind = ?2 ORDER BY name", (group, kind)
        )
        return {name: orjson.loads(body) for name, body in rows}

    async def groups(self, kind: str) -> list[str]:
        rows = await self._db.fetch("SELECT DISTINCT grp FROM registry WHERE kind = ?1 ORDER BY grp", (kind,))
        return [row[0] for row in rows]

    async def delete(self, group: str, kind: str, name: str) -> bool:
        gone = await self._db.execute(
            "DELETE FROM registry WHERE grp = ?1 AND kind = ?2 AND name = ?3 RETURNING name", (group, kind, name)
        )
        return bool(gone)


class Sums:
    """See ports.Usage."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def used(self, group: str, places: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, int, int]]:
        if not places:
            return {}
        wanted = " OR ".join(f"(scope = ?{2 * n} AND period = ?{2 * n + 1})" for n in range(1, len(places) + 1))
        rows = await self._db.fetch(
            f"SELECT scope, period, tokens, nano, iterations FROM usage WHERE grp = ?1 AND ({wanted})",
            (group, *(word for place in places for word in place)),
        )
        return {(scope, period): (tokens, nano, turns) for scope, period, tokens, nano, turns in rows}

    async def list(self, group: str, period: str) -> dict[str, tuple[int, int, int]]:
        rows = await self._db.fetch(
            "SELECT scope, tokens, nano, iterations FROM usage WHERE grp = ?1 AND period = ?2 ORDER BY scope",
            (group, period),
        )
        return {scope: (tokens, nano, turns) for scope, tokens, nano, turns in rows}

    async def forget(self, group: str, scope: str) -> None:
        await self._db.execute("DELETE FROM usage WHERE grp = ?1 AND scope = ?2 RETURNING scope", (group, scope))
