"""Workflows, versions and the run list, in one SQL that both databases understand.

Whatever changes something is a single statement, atomic by itself, whose condition says what must still be true: two people
saving at once cannot both win. Nothing is stored that another row says already (a workflow's newest version is looked up).
Lists are read from a place (the last row's key), not from an offset, so rows added meanwhile move nothing. Parameters are
written ?1, ?2 (SQLite's form); the Postgres adapter turns them into $1, $2.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import orjson

from ..errors import Conflict, Invalid, NotFound, PreconditionFailed
from ..ports import Clock, Draft, Page, RunRow, Version
from .encoding import LAST, plain


class Database(Protocol):
    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]: ...

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]: ...


_LATEST = "SELECT max(number) FROM versions v WHERE v.grp = workflows.grp AND v.slug = workflows.slug"
_DRAFT = f"slug, grp, document, etag, updated_at, updated_by, coalesce(({_LATEST}), 0)"
_VERSION = "slug, grp, number, fingerprint, document, created_at, created_by, note"
_ROW = "run_id, grp, workflow, version, status, mode, actor, created_at, updated_at, parent, error, asks, head"
_LIVE = ("queued", "running", "waiting", "paused", "failed")  # what the index runs_live holds
_OPEN = "asks IS NOT NULL AND status NOT IN ('completed', 'cancelled', 'failed')"
_FAILED = "status IN ('failed', 'paused') AND error IS NOT NULL"
LARGEST_PAGE = 1_000  # rows


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
            "INSERT INTO workflows (grp, slug, document, etag, title, persona, tags, updated_at, updated_by)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
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
            f"SELECT {_VERSION} FROM versions WHERE grp = ?1 AND slug = ?2 AND number = ?3",
            (group, slug, min(number, LAST)),
        )
        if not rows:
            raise NotFound(f"{slug!r} has no version {number}", code="version.not_found")
        return _version(rows[0])

    async def versions(self, group: str, slug: str, cursor: str | None = None, limit: int = 50) -> Page:
        below = min(read_cursor(cursor, int)[0], LAST) if cursor else LAST
        rows = await self._db.fetch(
            f"SELECT {_VERSION} FROM versions WHERE grp = ?1 AND slug = ?2 AND number < ?3"
            " ORDER BY number DESC LIMIT ?4",
            (group, slug, below, _one_more(limit)),
        )
        return _page(rows, limit, _version, lambda last: (last.number,))

    async def list(self, group: str, cursor: str | None = None, limit: int = 50, **filters: str) -> Page:
        """By slug. Filters: persona; tag; search (in slug and title). The last two ignore the case of ASCII letters."""
        sql = f"SELECT {_DRAFT} FROM workflows WHERE grp = ?1"
        values: list[Any] = [group]
        for name, value in filters.items():
            values.append(value)
            at = f"?{len(values)}"
            if name == "persona":
                sql += f" AND persona = {at}"
            elif name == "tag":
                values[-1] = _containing(orjson.dumps(plain(value)).decode())
                sql += f" AND lower(tags) LIKE {at} ESCAPE '!'"
            elif name == "search":
                values[-1] = _containing(plain(value))
                sql += f" AND (lower(slug) LIKE {at} ESCAPE '!' OR lower(title) LIKE {at} ESCAPE '!')"
            else:
                raise Invalid(f"unknown filter {name!r}", code="filter.unknown")
        if cursor:
            values.append(read_cursor(cursor, str)[0])
            sql += f" AND slug > ?{len(values)}"
        values.append(_one_more(limit))
        rows = await self._db.fetch(f"{sql} ORDER BY slug LIMIT ?{len(values)}", values)
        return _page(rows, limit, _draft, lambda last: (last.slug,))


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
            if name == "status" and value in _LIVE:  # in so many words, or no database would use the index
                sql += f" AND status = '{value}' AND status NOT IN ('completed', 'cancelled')"
            elif name in ("status", "workflow", "mode", "actor", "parent"):
                sql += f" AND {name} = {bind(value)}"
            elif name == "asks":
                sql += f" AND {_OPEN}" if value else f" AND NOT ({_OPEN})"
            elif name == "failed":
                sql += f" AND {_FAILED}" if value else f" AND NOT ({_FAILED})"
            else:
                raise Invalid(f"unknown filter {name!r}", code="filter.unknown")
        if cursor:
            created_at, run_id = read_cursor(cursor, float, str)
            sql += f" AND (created_at, run_id) < ({bind(created_at)}, {bind(run_id)})"
        sql += f" ORDER BY created_at DESC, run_id DESC LIMIT {bind(_one_more(limit))}"
        rows = await self._db.fetch(sql, values)
        return _page(rows, limit, _row, lambda last: (last.created_at, last.run_id))

    async def row(self, run_id: str) -> RunRow:
        rows = await self._db.fetch(f"SELECT {_ROW} FROM runs WHERE run_id = ?1", (run_id,))
        if not rows:
            raise NotFound(f"no run {run_id}", code="run.not_found")
        return _row(rows[0])

    async def counts(self) -> dict[str, int]:
        rows = await self._db.fetch(
            "SELECT status, count(*) FROM runs WHERE status NOT IN ('completed', 'cancelled') GROUP BY status"
        )
        return dict(rows)

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


def read_cursor(cursor: str, *kinds: type) -> list[Any]:
    """The parts of a cursor, of these kinds. Raises Invalid, code `cursor.invalid`, for one that was not made here."""
    try:
        read = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        read = None
    if not isinstance(read, list) or [type(part) for part in read] != list(kinds):
        raise Invalid("this cursor is not one of ours: start again without it", code="cursor.invalid")
    return read


def _one_more(limit: int) -> int:
    if not 1 <= limit <= LARGEST_PAGE:
        raise Invalid(f"limit must be 1 to {LARGEST_PAGE}", code="limit.invalid")
    return limit + 1


def _page(rows: Sequence[Any], limit: int, read: Callable[[Any], Any], key: Callable[[Any], tuple[Any, ...]]) -> Page:
    """`rows` holds one more than asked for when there is a next page."""
    items = [read(row) for row in rows[:limit]]
    return Page(items, make_cursor(*key(items[-1])) if len(rows) > limit else None)


def _containing(text: str) -> str:
    """A LIKE pattern, lowered as both databases lower: ASCII letters alone."""
    lowered = text.encode().lower().decode()
    return f"%{lowered.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"


def _draft(row: Sequence[Any]) -> Draft:
    slug, group, document, etag, updated_at, updated_by, latest = row
    return Draft(slug, group, orjson.loads(document), etag, updated_at, updated_by, latest)


def _version(row: Sequence[Any]) -> Version:
    slug, group, number, fingerprint, document, created_at, created_by, note = row
    return Version(slug, group, number, fingerprint, orjson.loads(document), created_at, created_by, note)


def _row(row: Sequence[Any]) -> RunRow:
    *rest, asks, head = row
    return RunRow(*rest, asks=orjson.loads(asks) if asks else None, head=head)
