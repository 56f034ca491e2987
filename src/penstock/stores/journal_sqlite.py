"""The journal on SQLite. The guard of every append is the run's head, compared and moved in the same statement."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import orjson

from ..engine.events import Event, decode
from ..ports import Commit
from .encoding import LAST, check_seqs, fact_text, json_text, plain
from .sql import query
from .sqlite import Sqlite

_CREATE = """
INSERT INTO runs (run_id, grp, workflow, version, status, mode, actor, created_at, updated_at, parent, error, asks, head, wake_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) ON CONFLICT DO NOTHING
"""
_MOVE = """
UPDATE runs SET head = ?3, status = ?4, updated_at = ?5, error = ?6, asks = ?7, wake_at = ?8
WHERE run_id = ?1 AND head = ?2
"""
_APPEND = "INSERT INTO events (run_id, seq, at, kind, data) VALUES (?, ?, ?, ?, ?)"
_READ = "SELECT seq, at, kind, data FROM events WHERE run_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3"
_SENT = "DELETE FROM outbox WHERE run_id = ? AND seq = ?"
_DUE = """
SELECT run_id FROM runs WHERE wake_at <= ?1 AND wake_at IS NOT NULL AND status <> 'queued' ORDER BY wake_at LIMIT ?2
"""
_QUEUED = "SELECT run_id FROM runs WHERE wake_at <= ?1 AND status = 'queued' ORDER BY wake_at LIMIT ?2"
_CHARGE = query("charge")


class SqliteJournal:
    def __init__(self, database: Sqlite) -> None:
        self._db = database

    async def create(self, commit: Commit) -> bool:
        row = commit.row
        check_seqs(commit)

        def unit(connection: sqlite3.Connection) -> bool:
            made = connection.execute(
                _CREATE,
                (
                    plain(row.run_id),
                    plain(row.group),
                    plain(row.workflow),
                    row.version,
                    row.status,
                    row.mode,
                    plain(row.actor),
                    row.created_at,
                    row.updated_at,
                    row.parent,
                    row.error and plain(row.error),
                    json_text(row.asks),
                    commit.events[-1].seq,
                    commit.wake,
                ),
            )
            if not made.rowcount:
                return False
            _append(connection, commit)
            return True

        return await self._db.write(unit)

    async def commit(self, commits: Sequence[Commit]) -> list[bool]:
        for commit in commits:
            check_seqs(commit)
        return await self._db.write(lambda connection: [_move(connection, commit) for commit in commits])

    async def read(self, run_id: str, after: int = 0, limit: int | None = None) -> list[Event]:
        rows = await self._db.fetch(
            _READ, (run_id, min(after, LAST), -1 if limit is None else limit), large=limit is None
        )
        return [Event(seq, at, decode(kind, orjson.loads(data))) for seq, at, kind, data in rows]

    async def due(self, now: float, limit: int = 100, queued: bool = False) -> list[str]:
        return [row[0] for row in await self._db.fetch(_QUEUED if queued else _DUE, (now, limit))]

    async def outbox(self, limit: int = 100) -> list[tuple[str, int]]:
        return await self._db.fetch("SELECT run_id, seq FROM outbox ORDER BY position LIMIT ?1", (limit,))

    async def sent(self, messages: Sequence[tuple[str, int]]) -> None:
        if messages:
            await self._db.write(lambda c: c.executemany(_SENT, [(plain(r), s) for r, s in messages]))


def _move(connection: sqlite3.Connection, commit: Commit) -> bool:
    if not commit.charges:
        return _moved(connection, commit)
    connection.execute("SAVEPOINT charged")
    if _charged(connection, commit) and _moved(connection, commit):
        connection.execute("RELEASE charged")
        return True
    connection.execute("ROLLBACK TO charged")
    connection.execute("RELEASE charged")
    return False


def _charged(connection: sqlite3.Connection, commit: Commit) -> bool:
    group = plain(commit.row.group)
    for one in commit.charges:
        values = (group, plain(one.scope), one.period, one.tokens, one.nano, one.iterations, *one.most)
        if not connection.execute(_CHARGE, values).fetchall():
            return False
    return True


def _moved(connection: sqlite3.Connection, commit: Commit) -> bool:
    row = commit.row
    head = commit.events[-1].seq if commit.events else commit.head
    error = row.error and plain(row.error)
    moved = connection.execute(
        _MOVE,
        (plain(commit.run_id), commit.head, head, row.status, row.updated_at, error, json_text(row.asks), commit.wake),
    )
    if not moved.rowcount:
        return False
    _append(connection, commit)
    return True


def _append(connection: sqlite3.Connection, commit: Commit) -> None:
    run_id = plain(commit.run_id)
    connection.executemany(
        _APPEND,
        [(run_id, e.seq, e.at, e.fact.kind, fact_text(e.fact)) for e in commit.events],
    )
    if commit.outbox:
        connection.executemany("INSERT INTO outbox (run_id, seq) VALUES (?, ?)", [(run_id, s) for s in commit.outbox])
