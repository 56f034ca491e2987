"""The schema of a database, brought to what this code expects when a process starts.

A new database gets the whole schema at once; one that is up to date is asked one question; an older one is upgraded by
Alembic, which is imported only then. All of it happens under a lock, so any number of processes may start together, and in one
transaction: a crash leaves the old schema or the new one. A database from a newer Penstock is refused.

A revision file says in its first line whether it is deployed `pre` (before the new code, which it does not need: the old code
still runs on what it leaves) or `post` (once no old code runs any more).
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import Invalid, Unavailable
from ..sql import schema
from ..wal import use_wal

if TYPE_CHECKING:
    from ..postgres import Postgres

REVISIONS = ("0001", "0002")  # all there are, oldest first
HEAD = REVISIONS[-1]
LOCK = 7_411_001  # of Postgres' advisory locks, the one for this
PATIENCE = 60.0  # seconds another process may take to upgrade


@dataclass(frozen=True, slots=True)
class Scripts:
    """Where revisions lie, and their order."""

    folder: Path
    revisions: Sequence[str]

    @property
    def head(self) -> str:
        return self.revisions[-1]


SHIPPED = Scripts(Path(__file__).parent, REVISIONS)


async def migrate(url: str, scripts: Scripts = SHIPPED) -> tuple[str | None, str]:
    """Bring the database at `url` (sqlite:///FILE or postgresql://…) up to date. Returns the revision it had (None: it was
    new) and the one it has now. Raises Invalid (`schema.newer`, `schema.unknown`, `settings.journal`), Unavailable."""
    if url.startswith(("postgresql://", "postgres://")):
        from ..postgres import Postgres  # noqa: PLC0415 - needs the driver

        database = Postgres(url)
        try:
            return await prepare_postgres(database, scripts)
        finally:
            await database.close()
    if url.startswith("sqlite:///"):
        return await asyncio.to_thread(prepare_sqlite, Path(url.removeprefix("sqlite:///")), scripts)
    raise Invalid(f"{url.partition(':')[0]} is not sqlite or postgresql", code="settings.journal")


def _check(found: str, scripts: Scripts, where: str) -> None:
    if found not in scripts.revisions:
        raise Invalid(
            f"{where} has schema {found}, which this Penstock does not know (its own is {scripts.head}):"
            " it was written by a newer one; upgrade Penstock, or restore a copy from before",
            code="schema.newer",
            detail={"found": found, "expected": scripts.head},
        )


def _unknown(where: str) -> Invalid:
    return Invalid(
        f"{where} has tables, but does not say of which schema: it is not a Penstock database, or a damaged one",
        code="schema.unknown",
    )


# ----------------------------------------------------------------------------------------------------- SQLite


def prepare_sqlite(path: Path, scripts: Scripts = SHIPPED) -> tuple[str | None, str]:
    """The same for one file, before it is opened for work. Blocks."""
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=PATIENCE)) as connection:
            found = _sqlite_revision(connection, str(path))
            if found == scripts.head:
                return found, scripts.head
            if found is not None:
                _check(found, scripts, str(path))
            else:
                use_wal(connection)
                connection.execute("BEGIN IMMEDIATE")
                if _sqlite_revision(connection, str(path)) is None:  # nobody else was quicker
                    for statement in schema("sqlite"):
                        connection.execute(statement)
                    connection.execute("INSERT INTO alembic_version VALUES (?)", (HEAD,))
                connection.execute("COMMIT")
                if scripts.head == HEAD:
                    return None, HEAD
        _upgrade_sqlite(path, scripts)
        return found, scripts.head
    except sqlite3.OperationalError as error:
        raise Unavailable(f"{path} cannot be opened: {error}", code="journal.unavailable") from error
    except sqlite3.DatabaseError as error:
        raise Invalid(f"{path} is not a database: {error}", code="schema.unknown") from error


def _sqlite_revision(connection: sqlite3.Connection, where: str) -> str | None:
    """None for a new database."""
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "alembic_version" not in names:
        if names:
            raise _unknown(where)
        return None
    rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    if len(rows) != 1:
        raise _unknown(where)
    return rows[0][0]


def _upgrade_sqlite(path: Path, scripts: Scripts) -> None:
    from sqlalchemy import create_engine, event, pool  # noqa: PLC0415 - only when there is something to do

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(path, isolation_level=None, timeout=PATIENCE)

    engine = create_engine("sqlite://", creator=connect, poolclass=pool.NullPool)
    # The driver would begin too late and too weakly: what is read must still be true when it is written.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as connection:
        _alembic(connection, scripts)


# --------------------------------------------------------------------------------------------------- Postgres


async def prepare_postgres(database: Postgres, scripts: Scripts = SHIPPED) -> tuple[str | None, str]:
    """The same for a Postgres database."""
    connection = await database.connect()
    try:
        found = await _postgres_revision(connection)
        if found == scripts.head:
            return found, scripts.head
        if found is not None:
            _check(found, scripts, "the database")
        await _lock(connection)
        found = await _postgres_revision(connection)
        if found is None:
            async with connection.transaction():
                for statement in schema("postgresql"):
                    await connection.execute(statement)
                await connection.execute("INSERT INTO alembic_version VALUES ($1)", HEAD)
        if (found or HEAD) != scripts.head:
            _check(found or HEAD, scripts, "the database")
            await _upgrade_postgres(database, scripts)
        return found, scripts.head
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"the database did not answer: {error}", code="journal.unavailable") from error
    finally:
        await connection.close()  # which gives back the lock


async def _postgres_revision(connection: Any) -> str | None:
    """None for a new database."""
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        if await connection.fetchval("SELECT to_regclass('runs')") is not None:
            raise _unknown("the database")
        return None
    rows = await connection.fetch("SELECT version_num FROM alembic_version")
    if len(rows) != 1:
        raise _unknown("the database")
    return rows[0][0]


async def _lock(connection: Any) -> None:
    """Asks again and again: a connection that waits inside the database would hold up `CREATE INDEX CONCURRENTLY` elsewhere."""
    async with asyncio.timeout(PATIENCE):
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):  # noqa: ASYNC110 - it is elsewhere
            await asyncio.sleep(0.05)


async def _upgrade_postgres(database: Postgres, scripts: Scripts) -> None:
    from sqlalchemy import pool  # noqa: PLC0415 - only when there is something to do
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

    engine = create_async_engine("postgresql+asyncpg://", async_creator=database.connect, poolclass=pool.NullPool)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_alembic, scripts)
    finally:
        await engine.dispose()


# ---------------------------------------------------------------------------------------------------- Alembic


def _alembic(connection: Any, scripts: Scripts) -> None:
    """Upgrade within the transaction that is open on this (SQLAlchemy's) connection."""
    from alembic import command  # noqa: PLC0415 - only when there is something to do
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(scripts.folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
