"""Workflows, versions and the run list, in one SQL that both databases understand.

Every statement is a single one, atomic by itself: there is no read-then-write here, so two people saving at once cannot both
win. Parameters are written ?1, ?2 (SQLite's form); the Postgres adapter turns them into $1, $2.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from typing import Any, Protocol

import orjson

from ..errors import Conflict, Invalid, NotFound, PreconditionFailed
from ..ports import Clock, Draft, Page, RunRow, Version


class Database(Protocol):
    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]: ...

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]: ...


_DRAFT = "slug, grp, document, etag, updated_at, updated_by, latest"
_VERSION = "slug, grp, number, fingerprint, document, created_at, created_by, note"
_ROW = "run_id, grp, workflow, version, status, mode, actor, created_at, updated_at, parent, error, asks, head"


class WorkflowCatalog:
    """See ports.Workflows."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database
        self._clock = clock

    async def draft(self, group: str, slug: str) -> Draft:
        rows = await self._db.fetch(f"SELECT {_DRAFT} FROM workflows WHERE grp = ?1 AND slug = ?2", (group, slug))
        if not rows:
            raise NotFound(f"no workflow {slug!r}", code="workflow.not_found")
        return _draft(rows[0])

    async def save(self, group: str, document: dict[str, Any], actor: str, etag: str | None) -> Draft:
        slug = document["name"]
        text = orjson.dumps(document).decode()
        values = (
            group,
            slug,
            text,
            hashlib.sha256(text.encode()).hexdigest()[:20],
            str(document.get("title") or slug),
            str(document.get("persona") or ""),
            orjson.dumps(document.get("tags") or []).decode(),
            self._clock(),
            actor,
        )
        insert = (
            "INSERT INTO workflows (grp, slug, document, etag, title, persona, tags, latest, updated_at, updated_by)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9)"
        )
        change = "document = ?3, etag = ?4, title = ?5, persona = ?6, tags = ?7, updated_at = ?8, updated_by = ?9"
        if etag is None:
            sql = f"{insert} ON CONFLICT (grp, slug) DO NOTHING RETURNING {_DRAFT}"
        elif etag == "*":
            sql = f"{insert} ON CONFLICT (grp, slug) DO UPDATE SET {change} RETURNING {_DRAFT}"
        else:
            sql = f"UPDATE workflows SET {change} WHERE grp = ?1 AND slug = ?2 AND etag = ?10 RETURNING {_DRAFT}"
            values = (*values, etag)
        rows = await self._db.execute(sql, values)
        if rows:
            return _draft(rows[0])
        current = await self.draft(group, slug)
        if etag is None:
            raise Conflict(f"there is a workflow {slug!r} already", code="workflow.exists")
        raise PreconditionFailed(
            f"{slug!r} was changed by {current.updated_by} meanwhile: read it again, then save",
            detail={"etag": current.etag},
        )

    async def publish(
        self, group: str, slug: str, document: dict[str, Any], fingerprint: str, actor: str, note: str = ""
    ) -> Version:
        text = orjson.dumps(document).decode()
        while True:
            newest = await self._newest(group, slug)
            if newest is not None and newest.fingerprint == fingerprint:
                return newest
            number = newest.number + 1 if newest else 1
            rows = await self._db.execute(
                "INSERT INTO versions (grp, slug, number, fingerprint, document, created_at, created_by, note)"
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
                f" ON CONFLICT (grp, slug, number) DO NOTHING RETURNING {_VERSION}",
                (group, slug, number, fingerprint, text, self._clock(), actor, note),
            )
            if rows:  # otherwise somebody published at the same moment: look again
                await self._db.execute(
                    "UPDATE workflows SET latest = ?3 WHERE grp = ?1 AND slug = ?2 AND latest < ?3 RETURNING slug",
                    (group, slug, number),
                )
                return _version(rows[0])

    async def _newest(self, group: str, slug: str) -> Version | None:
        rows = await self._db.fetch(
            f"SELECT {_VERSION} FROM versions WHERE grp = ?1 AND slug = ?2 ORDER BY number DESC LIMIT 1", (group, slug)
        )
        return _version(rows[0]) if rows else None

    async def version(self, group: str, slug: str, number: int | None = None) -> Version:
        if not number:
            newest = await self._newest(group, slug)
            if newest is None:
                raise NotFound(f"{slug!r} has no published version", code="version.not_found")
            return newest
        rows = await self._db.fetch(
            f"SELECT {_VERSION} FROM versions WHERE grp = ?1 AND slug = ?2 AND number = ?3", (group, slug, number)
        )
        if not rows:
            raise NotFound(f"{slug!r} has no version {number}", code="version.not_found")
        return _version(rows[0])

    async def versions(self, group: str, slug: str, cursor: str | None = None, limit: int = 50) -> Page:
        below = read_cursor(cursor, 1)[0] if cursor else 2**31
        rows = await self._db.fetch(
            f"SELECT {_VERSION} FROM versions WHERE grp = ?1 AND slug = ?2 AND number < ?3"
            " ORDER BY number DESC LIMIT ?4",
            (group, slug, int(below), limit + 1),
        )
        items = [_version(row) for row in rows[:limit]]
        return Page(items, make_cursor(items[-1].number) if len(rows) > limit else None)

    async def list(self, group: str, cursor: str | None = None, limit: int = 50, **filters: str) -> Page:
        """Filters: persona, tag, search (in slug and title)."""
        sql = f"SELECT {_DRAFT} FROM workflows WHERE grp = ?1"
        values: list[Any] = [group]
        for name, value in filters.items():
            values.append(value)
            at = f"?{len(values)}"
            if name == "persona":
                sql += f" AND persona = {at}"
            elif name == "tag":
                values[-1] = f"%{json.dumps(value)}%"
                sql += f" AND tags LIKE {at}"
            elif name == "search":
                values[-1] = f"%{value.lower()}%"
                sql += f" AND (lower(slug) LIKE {at} OR lower(title) LIKE {at})"
            else:
                raise Invalid(f"unknown filter {name!r}", code="filter.unknown")
        if cursor:
            values.append(read_cursor(cursor, 1)[0])
            sql += f" AND slug > ?{len(values)}"
        values.append(limit + 1)
        rows = await self._db.fetch(f"{sql} ORDER BY slug LIMIT ?{len(values)}", values)
        items = [_draft(row) for row in rows[:limit]]
        return Page(items, make_cursor(items[-1].slug) if len(rows) > limit else None)


class RunList:
    """See ports.Runs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database
        self._clock = clock

    async def list(self, group: str | None, cursor: str | None = None, limit: int = 50, **filters: Any) -> Page:
        sql = f"SELECT {_ROW} FROM runs WHERE 1 = 1"
        values: list[Any] = []

        def bind(value: Any) -> str:
            values.append(value)
            return f"?{len(values)}"

        if group is not None:
            sql += f" AND grp = {bind(group)}"
        for name, value in filters.items():
            if name in ("status", "workflow", "mode", "actor", "parent"):
                sql += f" AND {name} = {bind(value)}"
            elif name == "asks" and value:
                sql += " AND asks IS NOT NULL AND status NOT IN ('completed', 'cancelled', 'failed')"
            elif name == "failed" and value:
                sql += " AND status IN ('failed', 'paused') AND error IS NOT NULL"
            else:
                raise Invalid(f"unknown filter {name!r}", code="filter.unknown")
        if cursor:
            at, run_id = read_cursor(cursor, 2)
            at = bind(float(at))
            sql += f" AND (created_at < {at} OR (created_at = {at} AND run_id < {bind(str(run_id))}))"
        rows = await self._db.fetch(f"{sql} ORDER BY created_at DESC, run_id DESC LIMIT {bind(limit + 1)}", values)
        items = [_row(row) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(items, make_cursor(items[-1].created_at, items[-1].run_id) if more else None)

    async def row(self, run_id: str) -> RunRow:
        rows = await self._db.fetch(f"SELECT {_ROW} FROM runs WHERE run_id = ?1", (run_id,))
        if not rows:
            raise NotFound(f"no run {run_id}", code="run.not_found")
        return _row(rows[0])

    async def claim(self, group: str, key: str, body_digest: str, run_id: str) -> str:
        made = await self._db.execute(
            "INSERT INTO idempotency (grp, key, body_digest, run_id, created_at) VALUES (?1, ?2, ?3, ?4, ?5)"
            " ON CONFLICT (grp, key) DO NOTHING RETURNING run_id",
            (group, key, body_digest, run_id, self._clock()),
        )
        if made:
            return run_id
        rows = await self._db.fetch(
            "SELECT body_digest, run_id FROM idempotency WHERE grp = ?1 AND key = ?2", (group, key)
        )
        if rows[0][0] != body_digest:
            raise Conflict("this Idempotency-Key was used with another body", code="idempotency.body_differs")
        return rows[0][1]


def make_cursor(*parts: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def read_cursor(cursor: str, parts: int) -> list[Any]:
    """Raises Invalid, code `cursor.invalid`, for one that was not made here."""
    try:
        read = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(read, list) or len(read) != parts:
            raise ValueError
        if parts == 2:
            float(read[0])
    except (ValueError, TypeError, binascii.Error):
        raise Invalid("this cursor is not one of ours: start again without it", code="cursor.invalid") from None
    return read


def _draft(row: Sequence[Any]) -> Draft:
    slug, group, document, etag, updated_at, updated_by, latest = row
    return Draft(slug, group, orjson.loads(document), etag, updated_at, updated_by, latest)


def _version(row: Sequence[Any]) -> Version:
    slug, group, number, fingerprint, document, created_at, created_by, note = row
    return Version(slug, group, number, fingerprint, orjson.loads(document), created_at, created_by, note)


def _row(row: Sequence[Any]) -> RunRow:
    *rest, asks, head = row
    return RunRow(*rest, asks=orjson.loads(asks) if asks else None, head=head)
