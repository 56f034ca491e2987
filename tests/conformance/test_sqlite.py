"""What is SQLite's own: one writer, whose groups fail together and succeed apart; a loop that never waits for a large read."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from penstock.errors import Unavailable
from penstock.stores.journal_sqlite import SqliteJournal
from penstock.stores.migrations import prepare_sqlite
from penstock.stores.sqlite import Sqlite
from penstock.stores.wal import use_wal
from penstock.testing.conformance.journal import opening, seqs, step

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Sqlite]:
    prepare_sqlite(tmp_path / "penstock.db")
    opened = Sqlite(tmp_path / "penstock.db")
    yield opened
    await opened.close()


async def test_a_unit_that_breaks_harms_nobody_in_its_group(database: Sqlite) -> None:
    journal = SqliteJournal(database)

    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM events")
        raise ValueError("broken")

    done = await asyncio.gather(
        journal.create(opening("run_a")),
        database.write(broken),
        journal.create(opening("run_b")),
        return_exceptions=True,
    )
    assert done[::2] == [True, True]
    assert isinstance(done[1], ValueError)
    assert (await seqs(journal, "run_a"), await seqs(journal, "run_b")) == ([1], [1])


async def test_a_full_disk_is_an_outage(database: Sqlite) -> None:
    """Nothing of a commit that did not fit is there; what fits goes on; with room again everything does."""
    journal = SqliteJournal(database)
    await journal.create(opening("run_a"))
    pages = (await database.execute("PRAGMA page_count"))[0][0]
    await database.execute(f"PRAGMA max_page_count = {pages + 10}")
    with pytest.raises(Unavailable) as failed:
        await journal.commit([step("run_a", 1, 2, text="x" * 300_000)])
    assert failed.value.code == "journal.unavailable"
    assert "full" in failed.value.message
    both = await asyncio.gather(
        journal.commit([step("run_a", 1)]),
        journal.create(opening("run_b", 1, actor="x" * 300_000)),
        return_exceptions=True,
    )
    assert both[0] == [True]
    assert isinstance(both[1], Unavailable)
    await database.execute(f"PRAGMA max_page_count = {pages + 10_000}")
    assert await journal.commit([step("run_a", 2, 2, text="x" * 300_000)]) == [True]
    assert await seqs(journal, "run_a") == [1, 2, 3, 4]


async def test_close_finishes_what_was_submitted_and_then_refuses(database: Sqlite) -> None:
    journal = SqliteJournal(database)
    last = asyncio.ensure_future(journal.create(opening("run_a")))
    await asyncio.sleep(0)
    await database.close()
    assert await last
    async with asyncio.timeout(10):
        with pytest.raises(Unavailable):
            await journal.commit([step("run_a", 1)])


async def test_the_loop_does_not_wait_for_a_large_read(database: Sqlite) -> None:
    """While a large read goes on in its thread, a small one is answered."""
    started, finish = threading.Event(), threading.Event()

    def hold() -> int:
        started.set()
        finish.wait(10)
        return 1

    await database.fetch("SELECT 1", large=True)
    assert database._large is not None
    database._large.create_function("hold", 0, hold)
    large = asyncio.ensure_future(database.fetch("SELECT hold()", large=True))
    await asyncio.to_thread(started.wait, 10)
    assert await database.fetch("SELECT 2") == [(2,)]
    assert not large.done()
    finish.set()
    assert await large == [(1,)]


async def test_nothing_is_read_before_it_is_durable(database: Sqlite) -> None:
    """A read while a transaction is open sees none of it."""
    journal = SqliteJournal(database)
    written, go_on = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO outbox (run_id, seq) VALUES ('run_a', 1)")
        written.set()
        go_on.wait(10)

    writing = database.write(slow)
    await asyncio.to_thread(written.wait, 10)
    assert await journal.outbox() == []
    go_on.set()
    await writing
    assert await journal.outbox() == [("run_a", 1)]


def test_a_file_that_another_process_is_changing_to_wal_is_asked_for_again() -> None:
    class Contended:
        """What SQLite answers at once, whatever its time-out, while another process changes a new file to WAL."""

        refusals = 3

        def execute(self, sql: str) -> None:
            assert sql == "PRAGMA journal_mode = WAL"
            if self.refusals:
                self.refusals -= 1
                raise sqlite3.OperationalError("database is locked")

    contended = Contended()
    use_wal(contended)  # type: ignore[arg-type]
    assert contended.refusals == 0


def test_what_is_no_lock_is_not_asked_for_again() -> None:
    class Broken:
        asked = 0

        def execute(self, sql: str) -> None:
            self.asked += 1
            raise sqlite3.OperationalError("disk I/O error")

    broken = Broken()
    with pytest.raises(sqlite3.OperationalError, match="disk"):
        use_wal(broken)  # type: ignore[arg-type]
    assert broken.asked == 1
