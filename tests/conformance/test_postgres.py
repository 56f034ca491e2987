"""What is Postgres' own: connections that are lost, groups, locks, and settings that would weaken it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.services import PostgresServer

from penstock.errors import Invalid, NotFound, Unavailable
from penstock.stores.catalog import RunList, WorkflowCatalog
from penstock.stores.journal_postgres import PostgresJournal
from penstock.stores.migrations import migrate
from penstock.stores.postgres import Postgres
from penstock.stores.sql import query
from penstock.testing.conformance.journal import opening, seqs, step

pytestmark = pytest.mark.anyio


@pytest.fixture
async def url(postgres: PostgresServer) -> str:
    made = postgres.schema()
    await migrate(made)
    return made


@pytest.fixture
async def database(url: str) -> AsyncIterator[Postgres]:
    opened = Postgres(url)
    yield opened
    await opened.close()


@pytest.fixture
async def journal(database: Postgres) -> PostgresJournal:
    return PostgresJournal(database)


@pytest.fixture
async def other(url: str) -> AsyncIterator[Any]:
    """Somebody else's connection."""
    database = Postgres(url)
    connection = await database.connect()
    yield connection
    await connection.close()


async def somebody_waits(database: Postgres) -> None:
    """Until a connection waits for a lock."""
    while not await database.fetch("SELECT 1 FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - only Postgres knows
        await asyncio.sleep(0.005)


async def test_commits_that_arrive_together_are_one_transaction(journal: PostgresJournal, database: Postgres) -> None:
    names = [f"run_{n:03d}" for n in range(100)]
    assert all(await asyncio.gather(*(journal.create(opening(name)) for name in names)))
    assert await asyncio.gather(*(journal.commit([step(name, 1, 2)]) for name in names)) == [[True]] * 100
    transactions = await database.fetch("SELECT count(DISTINCT xmin::text) FROM events WHERE seq > 1")
    assert transactions[0][0] <= 3


async def test_one_that_is_wrong_harms_nobody_in_its_group(journal: PostgresJournal) -> None:
    wrong = opening("run_x")
    wrong.row.version = 2**70
    names = [f"run_{n}" for n in range(5)]
    made = await asyncio.gather(
        *(journal.create(opening(name)) for name in names[:3]),
        journal.create(wrong),
        *(journal.create(opening(name)) for name in names[3:]),
        return_exceptions=True,
    )
    assert made[:3] + made[4:] == [True] * 5
    assert isinstance(made[3], Exception)
    assert not isinstance(made[3], Unavailable)
    assert [await seqs(journal, name) for name in names] == [[1]] * 5
    assert await journal.read("run_x") == []


async def test_lost_connections_while_fifty_write(journal: PostgresJournal, url: str, postgres: PostgresServer) -> None:
    """Each commit is told True or Unavailable; what was told True is there, and the journal goes on by itself."""
    lost = done_in_all = 0
    dropped = asyncio.Event()

    async def drop() -> None:
        for _ in range(3):
            before = done_in_all, lost
            while done_in_all < before[0] + 100:  # noqa: ASYNC110 - in between, work is done
                await asyncio.sleep(0)
            while lost == before[1]:
                await asyncio.to_thread(postgres.drop_connections, url)
        dropped.set()

    async def writer(name: str) -> int:
        nonlocal lost, done_in_all
        head, told = 0, 0
        while not dropped.is_set():
            try:
                if head == 0:
                    done = await journal.create(opening(name))
                else:
                    done = (await journal.commit([step(name, head, 2)]))[0]
                assert done or told < head
                head = 1 if head == 0 else head + 2 * done
                told = head
                done_in_all += 1
            except Unavailable as error:
                assert error.code == "journal.unavailable"
                lost += 1
                await asyncio.sleep(0.01)
                while True:  # as control does: read what there is, and go on from there
                    try:
                        head = len(await journal.read(name))
                        break
                    except Unavailable:
                        await asyncio.sleep(0.01)
                assert head in (told, told + 1, told + 2)
                told = head
        return told

    names = [f"run_{n:02d}" for n in range(50)]
    async with asyncio.timeout(60):
        _, *told = await asyncio.gather(drop(), *(writer(name) for name in names))
    for name, head in zip(names, told, strict=True):
        assert await seqs(journal, name) == list(range(1, head + 1))
    assert await journal.create(opening("run_x"))


async def test_a_server_that_is_away_and_comes_back(
    journal: PostgresJournal, database: Postgres, postgres: PostgresServer
) -> None:
    catalog, runs = WorkflowCatalog(database, lambda: 1.0), RunList(database, lambda: 1.0)
    assert await journal.create(opening("run_a", outbox=(1,)))
    await asyncio.to_thread(postgres.stop)
    try:
        for call in (
            journal.commit([step("run_a", 1)]),
            journal.create(opening("run_b")),
            journal.read("run_a"),
            journal.due(1.0),
            journal.outbox(),
            journal.sent([("run_a", 1)]),
            runs.row("run_a"),
            catalog.save("g", {"name": "flow"}, "ann", None),
        ):
            with pytest.raises(Unavailable) as failed:
                await call
            assert failed.value.code == "journal.unavailable"
            assert failed.value.retryable
    finally:
        await asyncio.to_thread(postgres.start)
    assert await journal.commit([step("run_a", 1)]) == [True]
    assert await journal.create(opening("run_b"))
    assert (await runs.row("run_a")).head == 2
    with pytest.raises(NotFound):
        await catalog.draft("g", "flow")


async def test_reads_survive_a_lost_connection(
    database: Postgres, journal: PostgresJournal, url: str, postgres: PostgresServer
) -> None:
    await journal.create(opening("run_a"))
    for blocking in (True, False):  # noticed when it is used, or before
        await asyncio.gather(*(journal.read("run_a") for _ in range(8)))  # as many connections as there are
        if blocking:
            postgres.drop_connections(url)
        else:
            await asyncio.to_thread(postgres.drop_connections, url)
        assert await asyncio.gather(*(seqs(journal, "run_a") for _ in range(8))) == [[1]] * 8


async def test_a_deadlock_is_tried_again(journal: PostgresJournal, database: Postgres, url: str, other: Any) -> None:
    """Somebody takes the rows in the other order: Postgres ends one of the two, and the journal tries again."""
    for name in ("run_a", "run_b"):
        await journal.create(opening(name))
    await other.execute("ALTER DATABASE postgres SET deadlock_timeout = '50ms'")
    transaction = other.transaction()
    await transaction.start()
    await other.execute("SET LOCAL deadlock_timeout = '60s'")  # so that the journal is the one to be ended
    await other.execute("SELECT 1 FROM runs WHERE run_id = 'run_b' FOR UPDATE")
    committing = journal.commit([step("run_b", 1), step("run_a", 1)])
    waiting = asyncio.ensure_future(committing)
    await somebody_waits(database)
    await other.execute("SELECT 1 FROM runs WHERE run_id = 'run_a' FOR UPDATE")  # the journal has it, and waits for us
    assert not waiting.done()
    await transaction.rollback()
    assert await waiting == [True, True]


async def test_a_head_that_moves_while_its_row_is_locked(
    journal: PostgresJournal, database: Postgres, other: Any
) -> None:
    """The guard looks again when it has the lock, not only when it began."""
    for name in ("run_a", "run_b"):
        await journal.create(opening(name))
    transaction = other.transaction()
    await transaction.start()
    await other.execute("UPDATE runs SET head = 2 WHERE run_id = 'run_a'")
    await other.execute("UPDATE runs SET wake_at = 7 WHERE run_id = 'run_b'")  # moves the row, not the head
    committing = asyncio.ensure_future(journal.commit([step("run_a", 1), step("run_b", 1, wake=9.0)]))
    await somebody_waits(database)
    await transaction.commit()
    assert await committing == [False, True]
    assert await seqs(journal, "run_a") == [1]
    assert await seqs(journal, "run_b") == [1, 2]
    assert await journal.due(8.0) == []
    assert await journal.due(9.0) == ["run_b"]


async def test_the_outbox_blocks_nobody(journal: PostgresJournal, other: Any) -> None:
    await journal.create(opening("run_a", 2, outbox=(1, 2)))
    transaction = other.transaction()
    await transaction.start()
    await other.execute("DELETE FROM outbox WHERE seq = 1")  # somebody is about to have sent this one
    async with asyncio.timeout(10):
        assert await journal.outbox() == [("run_a", 1), ("run_a", 2)]
        await journal.sent([("run_a", 1), ("run_a", 2)])
    assert await journal.outbox() == [("run_a", 1)]
    await transaction.commit()
    assert await journal.outbox() == []


async def test_commits_are_on_disk_whatever_the_server_is_set_to(postgres: PostgresServer, other: Any) -> None:
    url = postgres.database()
    name = url.partition("?")[0].rpartition("/")[2]
    for setting, found in (("off", "on"), ("remote_apply", "remote_apply"), ("local", "local")):
        await other.execute(f"ALTER DATABASE {name} SET synchronous_commit = {setting}")
        database = Postgres(url)
        connection = await database.connect()
        assert await connection.fetchval("SHOW synchronous_commit") == found
        await connection.close()
        assert (await database.fetch("SHOW synchronous_commit"))[0][0] == found
        await database.close()


async def test_close_finishes_what_was_submitted(database: Postgres, journal: PostgresJournal, url: str) -> None:
    await journal.create(opening("run_a"))
    last = asyncio.ensure_future(journal.commit([step("run_a", 1)]))
    await asyncio.sleep(0)
    await database.close()
    assert await last == [True]
    for call in (journal.commit([step("run_a", 2)]), journal.read("run_a"), journal.create(opening("run_b"))):
        with pytest.raises(Unavailable):
            await call
    await database.close()


async def test_no_plan_is_kept_from_when_the_tables_were_small(database: Postgres, journal: PostgresJournal) -> None:
    """A commit finds its runs by their key: it never reads the whole table, which a plan made on an empty one would."""
    await asyncio.gather(*(journal.create(opening(f"run_{n:04d}")) for n in range(2000)))
    connection = await database.connect()
    commit, nothing = query("postgres_commit"), [[] for _ in range(15)]
    for _ in range(10):
        await connection.fetch(commit, *nothing)
    plans = await connection.fetchrow(
        "SELECT sum(generic_plans) AS kept, sum(custom_plans) AS made FROM pg_prepared_statements WHERE statement = $1",
        commit,
    )
    assert (plans["kept"], plans["made"]) == (0, 10)
    await connection.execute("ANALYZE")
    one = [["run_0007"], [1], [1], ["running"], [1.0], [None], [None], [None], *nothing[8:]]
    plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {commit}", *one))
    assert "Seq Scan on runs" not in plan
    assert "runs_pkey" in plan
    await connection.close()


async def test_odd_values_are_errors_not_outages(journal: PostgresJournal, database: Postgres) -> None:
    with pytest.raises(Exception) as failed:
        await database.fetch("SELECT ?1::bigint", (2**70,))
    assert not isinstance(failed.value, Unavailable)
    with pytest.raises(Exception) as failed:
        await database.fetch("SELECT * FROM nowhere")
    assert not isinstance(failed.value, (Unavailable, Invalid))
    assert await journal.create(opening("run_a"))
