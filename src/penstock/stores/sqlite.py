"""One SQLite file, one writer.

Every write of the process goes through one queue: whatever has gathered while the last transaction was being made durable
is the next transaction (group commit), so a hundred runs share one fsync. When a unit fails its whole group is rolled back and
each unit is tried by itself: the others lose nothing. Reads use a second connection, and see only what is durable.

The writer is a thread of its own. `threaded=False` writes in the loop instead: deterministic, for simulations in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import Unavailable
from .encoding import plain
from .migrations import HEAD
from .sql import schema
from .wal import use_wal

Unit = Callable[[sqlite3.Connection], Any]  # runs inside the group's transaction
PATIENCE = 30.0  # seconds to wait for another process that holds the file
GROUP = 500  # units in one transaction at most


class Sqlite:
    def __init__(self, path: str | Path, threaded: bool = True) -> None:
        """`path` is a file, or ":memory:" (then unthreaded)."""
        self._path = path
        self._memory = str(path) == ":memory:"
        self._threaded = threaded and not self._memory
        self._writer = _connect(path)
        self._reader = self._writer if self._memory else _connect(path)
        if not self._memory:
            self._reader.execute("PRAGMA query_only = 1")
        self._pending: list[tuple[Unit, asyncio.Future[Any]]] = []
        self._queue: queue.SimpleQueue[list[tuple[Unit, asyncio.Future[Any]]] | None] = queue.SimpleQueue()
        self._scheduled = False
        self._closed = False
        self._thread: threading.Thread | None = None
        self._large: sqlite3.Connection | None = None
        self._large_lock = threading.Lock()

    # ------------------------------------------------------------------------------------------------ writing

    def write(self, unit: Unit) -> asyncio.Future[Any]:
        """Run `unit` in the next transaction; the future has its result once that is durable, or its exception: Unavailable when
        the file cannot be written now."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if self._closed:
            future.set_exception(_closed())
            return future
        self._pending.append((unit, future))
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush, loop)
        return future

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        self._scheduled = False
        batch, self._pending = self._pending, []
        if not self._threaded:
            _resolve(self._transact(batch))
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, args=(loop,), name="penstock-sqlite", daemon=True)
            self._thread.start()
        self._queue.put(batch)

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        closing = False
        while not closing:
            batch = self._queue.get()
            if batch is None:
                return
            while len(batch) < GROUP:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    closing = True
                    break
                batch += more
            results = self._transact(batch)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is waiting any more
                loop.call_soon_threadsafe(_resolve, results)

    def _transact(
        self, batch: Sequence[tuple[Unit, asyncio.Future[Any]]]
    ) -> list[tuple[asyncio.Future[Any], Any, Any]]:
        connection = self._writer
        results: list[tuple[asyncio.Future[Any], Any, Any]] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for unit, future in batch:
                results.append((future, unit(connection), None))
            connection.execute("COMMIT")
        except BaseException as error:  # the disk is full, or a unit broke: nobody's write happened
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            if len(batch) == 1:
                return [(batch[0][1], None, _named(error))]
            return [one for each in batch for one in self._transact([each])]
        return results

    # ------------------------------------------------------------------------------------------------ reading

    async def fetch(self, sql: str, parameters: Sequence[Any] = (), large: bool = False) -> list[Any]:
        """All rows. `large` results are read in a thread, so that the loop goes on."""
        values = [plain(value) if type(value) is str else value for value in parameters]
        if not large or not self._threaded:
            return _query(self._reader, sql, values)
        return await asyncio.to_thread(self._fetch_large, sql, values)

    def _fetch_large(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """On a connection of its own, for which the loop never waits."""
        with self._large_lock:
            if self._closed:
                raise _closed()
            if self._large is None:
                self._large = _connect(self._path)
                self._large.execute("PRAGMA query_only = 1")
            return _query(self._large, sql, values)

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """One statement in a transaction of its own, or its group's; returns its rows (`RETURNING`)."""
        values = [plain(value) if type(value) is str else value for value in parameters]
        return await self.write(lambda connection: connection.execute(sql, values).fetchall())

    async def close(self) -> None:
        """Finish what was submitted, then let go of the file."""
        if self._closed:
            return
        self._closed = True
        while self._scheduled:  # noqa: ASYNC110 - one turn of the loop at most
            await asyncio.sleep(0)
        if self._thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)
        with self._large_lock:
            if self._large is not None:
                self._large.close()
        self._reader.close()
        self._writer.close()


def _connect(path: str | Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=PATIENCE)
    use_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -16000")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    return connection


def create_schema(connection: sqlite3.Connection) -> None:
    """Make the tables of a new database, within the transaction that is open, and say which revision they are."""
    for statement in schema("sqlite"):
        connection.execute(statement)
    connection.execute("INSERT INTO alembic_version VALUES (?)", (HEAD,))


def _query(connection: sqlite3.Connection, sql: str, values: Sequence[Any]) -> list[Any]:
    try:
        return connection.execute(sql, values).fetchall()
    except sqlite3.OperationalError as error:
        raise _named(error) from error


def _named(error: BaseException) -> BaseException:
    """A full disk, a failing one, a lock that was held too long: the store is not there for now."""
    if not isinstance(error, sqlite3.OperationalError):
        return error
    unavailable = Unavailable(f"the database did not do it: {error}", code="journal.unavailable")
    unavailable.__cause__ = error
    return unavailable


def _closed() -> Unavailable:
    return Unavailable("the database has been closed", code="journal.unavailable", retryable=False)


def _resolve(results: Sequence[tuple[asyncio.Future[Any], Any, Any]]) -> None:
    for future, value, error in results:
        if future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
