"""The journal on Postgres. The guard of every append is the run's head, compared and moved in the same statement.

Commits are gathered: whatever arrives while a statement is under way goes into the next one, so the busier it gets, the larger
the groups, and a hundred runs share one round trip and one flush of the log. There are three such lanes, each with a
connection of its own: one for new runs, one for those that go on, and one for commits that charge for what was used. A run
is in a group once at most.

When the connection is lost while a commit is under way, nobody can say whether it was done. It was done entirely or not at all,
and the caller hears Unavailable; who then reads the journal knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson

from ..engine.events import Event, decode
from ..errors import Unavailable
from ..ports import Commit
from .encoding import LAST, check_seqs, fact_text, json_text, plain
from .postgres import Postgres
from .sql import query

GROUP = 500  # commits in one statement at most
TRIES = 5  # of a statement that a deadlock or a failed serialization ended

_READ = "SELECT seq, at, kind, data FROM events WHERE run_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3"
_DUE = """
SELECT run_id FROM runs WHERE wake_at <= ?1 AND wake_at IS NOT NULL AND status <> 'queued' ORDER BY wake_at LIMIT ?2
"""
_QUEUED = "SELECT run_id FROM runs WHERE wake_at <= ?1 AND status = 'queued' ORDER BY wake_at LIMIT ?2"
# Rows that another process is deleting at this moment are left to it: nobody waits for anybody.
_SENT = """
DELETE FROM outbox WHERE position IN (
  SELECT o.position FROM outbox o JOIN unnest(?1::text[], ?2::bigint[]) AS m (run_id, seq)
  ON o.run_id = m.run_id AND o.seq = m.seq FOR UPDATE OF o SKIP LOCKED
)
"""


class PostgresJournal:
    """See ports.Journal."""

    def __init__(self, database: Postgres) -> None:
        self._db = database
        self._create = query("postgres_create")
        self._commit = query("postgres_commit")
        self._new = _Lane(database, self._make)
        self._going = _Lane(database, self._move)
        self._charge = re.sub(r"\?(\d+)", _typed, query("charge"))
        self._paying = _Lane(database, self._pay)
        database.before_close(self.close)

    async def create(self, commit: Commit) -> bool:
        check_seqs(commit)
        return (await self._new.submit([commit]))[0]

    async def commit(self, commits: Sequence[Commit]) -> list[bool]:
        for commit in commits:
            check_seqs(commit)
        if not any(commit.charges for commit in commits):
            return await self._going.submit(commits) if commits else []
        # Sums are rows that many runs add to: a commit with charges waits for others of its kind, and keeps nobody else waiting.
        paying = [commit for commit in commits if commit.charges]
        going = [commit for commit in commits if not commit.charges]
        some, others = await asyncio.gather(self._paying.submit(paying), self.commit(going))
        done = {id(commit): ok for commit, ok in zip([*paying, *going], [*some, *others], strict=True)}
        return [done[id(commit)] for commit in commits]

    async def read(self, run_id: str, after: int = 0, limit: int | None = None) -> list[Event]:
        rows = await self._db.fetch(_READ, (run_id, min(after, LAST), limit))
        return [Event(seq, at, decode(kind, orjson.loads(data))) for seq, at, kind, data in rows]

    async def due(self, now: float, limit: int = 100, queued: bool = False) -> list[str]:
        return [row[0] for row in await self._db.fetch(_QUEUED if queued else _DUE, (now, limit))]

    async def outbox(self, limit: int = 100) -> list[tuple[str, int]]:
        rows = await self._db.fetch("SELECT run_id, seq FROM outbox ORDER BY position LIMIT ?1", (limit,))
        return [(run_id, seq) for run_id, seq in rows]

    async def sent(self, messages: Sequence[tuple[str, int]]) -> None:
        if messages:
            await self._db.execute(_SENT, ([plain(run_id) for run_id, _ in messages], [seq for _, seq in messages]))

    async def close(self) -> None:
        """Finish what was submitted, then let go of the connections. The database does this when it is closed."""
        await asyncio.gather(self._new.close(), self._going.close(), self._paying.close())

    # ------------------------------------------------------------------------------------------------ writing

    async def _make(self, connection: Any, commits: Sequence[Commit]) -> list[str]:
        rows = [
            (
                plain(commit.run_id),
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
            )
            for commit in commits
            for row in (commit.row,)
        ]
        return await connection.fetch(self._create, *_columns(rows, 14), *_events(commits), *_outbox(commits))

    async def _move(self, connection: Any, commits: Sequence[Commit]) -> list[str]:
        rows = [
            (
                plain(commit.run_id),
                commit.head,
                commit.events[-1].seq if commit.events else commit.head,
                row.status,
                row.updated_at,
                row.error and plain(row.error),
                json_text(row.asks),
                commit.wake,
            )
            for commit in commits
            for row in (commit.row,)
        ]
        return await connection.fetch(self._commit, *_columns(rows, 8), *_events(commits), *_outbox(commits))

    async def _pay(self, connection: Any, commits: Sequence[Commit]) -> list[tuple[str]]:
        """Each by itself, within one transaction: one that is refused takes nothing with it."""
        won: list[tuple[str]] = []
        async with connection.transaction():
            for commit in commits:
                inner = connection.transaction()
                await inner.start()
                if await self._charged(connection, commit) and await self._move(connection, [commit]):
                    await inner.commit()
                    won.append((plain(commit.run_id),))
                else:
                    await inner.rollback()
        return won

    async def _charged(self, connection: Any, commit: Commit) -> bool:
        group = plain(commit.row.group)
        for one in commit.charges:
            values = (group, plain(one.scope), one.period, one.tokens, one.nano, one.iterations, *one.most)
            if not await connection.fetch(self._charge, *values):
                return False
        return True


def _typed(match: re.Match[str]) -> str:
    """A parameter in Postgres' form; one that may be null has to say of which type."""
    return f"${match[1]}::{'text' if int(match[1]) <= 3 else 'bigint'}"


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def _events(commits: Sequence[Commit]) -> list[list[Any]]:
    rows = [
        (plain(commit.run_id), e.seq, e.at, e.fact.kind, fact_text(e.fact)) for commit in commits for e in commit.events
    ]
    return _columns(rows, 5)


def _outbox(commits: Sequence[Commit]) -> list[list[Any]]:
    return _columns([(plain(commit.run_id), seq) for commit in commits for seq in commit.outbox], 2)


_Unit = tuple[Sequence[Commit], asyncio.Future[list[bool]]]


class _Lane:
    """One connection and what waits for it. `perform` does a group and returns a row (run_id, …) for each commit that won."""

    def __init__(self, database: Postgres, perform: Callable[[Any, Sequence[Commit]], Awaitable[Any]]) -> None:
        self._db = database
        self._perform = perform
        self._pending: deque[_Unit] = deque()
        self._task: asyncio.Task[None] | None = None
        self._connection: Any = None
        self._closed = False

    def submit(self, commits: Sequence[Commit]) -> asyncio.Future[list[bool]]:
        future: asyncio.Future[list[bool]] = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_exception(Unavailable("the journal has been closed", code="journal.unavailable"))
            return future
        self._pending.append((commits, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="penstock-postgres")
        return future

    async def _work(self) -> None:
        while self._pending:
            await self._carry_out(self._gather())

    def _gather(self) -> list[_Unit]:
        """As much as goes into one statement: no run twice."""
        units: list[_Unit] = []
        seen: set[str] = set()
        while self._pending and len(seen) < GROUP:
            runs = {commit.run_id for commit in self._pending[0][0]}
            if not runs.isdisjoint(seen):
                break
            seen |= runs
            units.append(self._pending.popleft())
        return units

    async def _carry_out(self, units: list[_Unit]) -> None:
        commits = sorted((commit for unit, _ in units for commit in unit), key=lambda commit: commit.run_id)
        try:
            won = {row[0] for row in await self._insist(commits)}
        except Exception as error:
            if len(units) > 1 and not isinstance(error, Unavailable):
                for unit in units:  # one of them is wrong: the others lose nothing
                    await self._carry_out([unit])
                return
            for _, future in units:
                if not future.done():
                    future.set_exception(error)
            return
        for unit, future in units:
            if not future.done():
                future.set_result([plain(commit.run_id) in won for commit in unit])

    async def _insist(self, commits: Sequence[Commit]) -> Any:
        """Do it; again where the database says that it was done for nothing (SQLSTATE class 40)."""
        for attempt in range(TRIES):
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._db.connect()
                with self._db.guarded():
                    return await self._perform(self._connection, commits)
            except Unavailable as error:
                if attempt == TRIES - 1 or (getattr(error.__cause__, "sqlstate", None) or "")[:2] != "40":
                    self._drop()
                    raise
            # The other side of a deadlock must first get what it waits for, or this would take it away again.
            await asyncio.sleep(0.01 * 4**attempt)
        raise AssertionError

    def _drop(self) -> None:
        """After a failure nobody knows what state the connection is in."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        self._closed = True
        if self._task is not None:
            await self._task
        if self._connection is not None:
            with contextlib.suppress(Unavailable), self._db.guarded():
                await self._connection.close(timeout=5)
            self._connection = None
