"""Places for the adapters to be tried on: a SQLite file, SQLite in memory, and a database on a real Postgres."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.services import PostgresServer, postgres_server

from penstock.stores.journal_postgres import PostgresJournal
from penstock.stores.journal_sqlite import SqliteJournal
from penstock.stores.migrations import migrate, prepare_sqlite
from penstock.stores.postgres import Postgres
from penstock.stores.sqlite import Sqlite, create_schema
from penstock.testing.conformance import Law

TABLES = "runs, events, outbox, workflows, versions, idempotency, secrets, registry, usage"


class Place:
    """Somewhere data can be kept, empty at first."""

    def __init__(self, kind: str, where: Any) -> None:
        self.kind = kind
        self.where = where

    def __repr__(self) -> str:
        return self.kind

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[Any, Any]]:
        """The database and its journal."""
        database: Any
        if self.kind == "postgres":
            database = Postgres(self.where)
            journal: Any = PostgresJournal(database)
        elif self.kind == "memory":
            database = Sqlite(":memory:")
            await database.write(create_schema)
            journal = SqliteJournal(database)
        else:
            prepare_sqlite(self.where)
            database = Sqlite(self.where)
            journal = SqliteJournal(database)
        try:
            yield database, journal
        finally:
            await database.close()

    def opening(self, make: Callable[[Any, Any], Any]) -> Callable[[], Any]:
        """A way to open whatever `make` makes of a database and its journal, as laws want it."""

        @contextlib.asynccontextmanager
        async def open() -> AsyncIterator[Any]:
            async with self.open() as (database, journal):
                yield make(database, journal)

        return open


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="module")
def postgres_url(postgres: PostgresServer) -> str:
    """A schema of this module, with its tables."""
    url = postgres.schema()
    asyncio.run(migrate(url))
    return url


@pytest.fixture(params=["file", "memory", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        asyncio.run(_empty(url))
        return Place("postgres", url)
    return Place(request.param, tmp_path / "penstock.db")


async def _empty(url: str) -> None:
    database = Postgres(url)
    try:
        await database.execute(f"TRUNCATE {TABLES} RESTART IDENTITY")
    finally:
        await database.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No law that reopens a store is tried on one in memory, which is gone when it is closed."""
    items[:] = [item for item in items if not _reopens_memory(item)]


def _reopens_memory(item: pytest.Item) -> bool:
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    law = parameters.get("law")
    return parameters.get("place") == "memory" and isinstance(law, Law) and law.reopens


@pytest.fixture
def clock() -> Callable[[], float]:
    return time.time
