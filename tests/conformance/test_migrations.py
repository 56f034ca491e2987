"""A database becomes what the code expects, whatever it was before, and keeps its data; or it is refused."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.services import PostgresServer

import penstock
from penstock.app import Settings, open_journal
from penstock.errors import Invalid, PenstockError, Unavailable
from penstock.stores import migrations
from penstock.stores.migrations import HEAD, REVISIONS, SHIPPED, Scripts, migrate
from penstock.stores.postgres import Postgres
from penstock.testing.conformance.journal import opening, step

pytestmark = pytest.mark.anyio

NEXT = '''
"""pre-deployment: a column, and what it holds for runs there are."""
from alembic import op
revision = "9999"
down_revision = "{head}"
def upgrade():
    op.execute("ALTER TABLE runs ADD COLUMN colour TEXT")
    op.execute("UPDATE runs SET colour = 'blue'")
    {more}
'''


def scripts(folder: Path, more: str = "") -> Scripts:
    """The shipped revisions and one more."""
    shutil.copytree(SHIPPED.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "9999_colour.py").write_text(NEXT.format(head=HEAD, more=more))
    return Scripts(folder, (*REVISIONS, "9999"))


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database that is not there yet, or is empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/penstock.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.schema()


async def ask(url: str, sql: str) -> list[tuple[Any, ...]]:
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            return connection.execute(sql).fetchall()
    database = Postgres(url)
    try:
        return [tuple(row) for row in await database.fetch(sql)]
    finally:
        await database.close()


async def shape(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every table, column, key and index, as the database itself describes them."""
    if url.startswith("sqlite"):
        found: dict[str, list[tuple[Any, ...]]] = {"tables": sorted(await ask(url, "PRAGMA table_list"))}
        for (table,) in await ask(
            url, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ):
            found[table] = await ask(url, f"PRAGMA table_info({table})")
            for index in await ask(url, f"PRAGMA index_list({table})"):
                found[f"{table} {index[1]}"] = [index[2:], *await ask(url, f"PRAGMA index_xinfo({index[1]})")]
        found["conditions"] = sorted(
            await ask(
                url, "SELECT name, substr(sql, instr(sql, ' ON ')) FROM sqlite_master WHERE type = 'index' AND sql > ''"
            )
        )
        return found
    return {
        "columns": await ask(
            url,
            "SELECT table_name, ordinal_position, column_name, data_type, is_nullable, collation_name, is_identity,"
            " column_default FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY 1, 2",
        ),
        "indexes": await ask(
            url,
            "SELECT indexname, replace(indexdef, current_schema(), '') FROM pg_indexes"
            " WHERE schemaname = current_schema() ORDER BY 1",
        ),
        "constraints": await ask(
            url,
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = current_schema()::regnamespace ORDER BY 1, 2",
        ),
    }


async def alembic_alone(url: str) -> None:
    """Every revision from nothing, as somebody would do it who has never heard of schema.sql."""
    if url.startswith("sqlite"):
        await asyncio.to_thread(migrations._upgrade_sqlite, Path(url.removeprefix("sqlite:///")), SHIPPED)
        return
    database = Postgres(url)
    await migrations._upgrade_postgres(database, SHIPPED)
    await database.close()


async def test_the_schema_is_what_the_migrations_make(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    server: PostgresServer = request.getfixturevalue("postgres")
    for one, other in (
        (f"sqlite:///{tmp_path}/one.db", f"sqlite:///{tmp_path}/other.db"),
        (server.schema(), server.schema()),
    ):
        assert await migrate(one) == (None, HEAD)
        await alembic_alone(other)
        first, second = await shape(one), await shape(other)
        assert len(first) >= 3
        assert first == second
        assert await ask(other, "SELECT version_num FROM alembic_version") == [(HEAD,)]


def test_revisions_are_those_of_the_scripts() -> None:
    from alembic.script import ScriptDirectory

    directory = ScriptDirectory(str(SHIPPED.folder))
    found = list(directory.walk_revisions())[::-1]
    assert tuple(revision.revision for revision in found) == REVISIONS
    for revision in found:
        assert (revision.doc or "").startswith(("pre-deployment: ", "post-deployment: ")), revision.path


async def test_an_old_database_is_upgraded_and_keeps_its_data(url: str, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, journal=url)
    database, journal = await open_journal(settings)
    assert await journal.create(opening("run_a", 3, wake=5.0))
    written = await journal.read("run_a")
    await database.close()

    newer = scripts(tmp_path / "newer")
    assert await migrate(url, newer) == (HEAD, "9999")
    assert await migrate(url, newer) == ("9999", "9999")
    assert await ask(url, "SELECT run_id, colour FROM runs") == [("run_a", "blue")]
    assert await ask(url, "SELECT version_num FROM alembic_version") == [("9999",)]
    with pytest.raises(Invalid) as refused:  # the code from before must not touch it
        await open_journal(settings)
    assert refused.value.code == "schema.newer"
    assert "9999" in refused.value.message
    assert HEAD in refused.value.message
    assert await ask(url, "SELECT count(*) FROM events") == [(len(written),)]


async def test_a_new_database_under_newer_scripts_gets_everything(url: str, tmp_path: Path) -> None:
    assert await migrate(url, scripts(tmp_path / "newer")) == (None, "9999")
    assert await ask(url, "SELECT colour FROM runs") == []


async def test_an_upgrade_that_fails_leaves_the_old_schema(url: str, tmp_path: Path) -> None:
    await migrate(url)
    before = await shape(url)
    broken = scripts(tmp_path / "newer", more='op.execute("INSERT INTO nowhere VALUES (1)")')
    with pytest.raises(Exception, match="nowhere"):
        await migrate(url, broken)
    assert await shape(url) == before
    assert await ask(url, "SELECT version_num FROM alembic_version") == [(HEAD,)]
    assert await migrate(url) == (HEAD, HEAD)


async def test_many_processes_start_at_once(url: str, tmp_path: Path) -> None:
    newer = scripts(tmp_path / "newer")
    for known, end in ((SHIPPED, HEAD), (newer, "9999")):  # first on nothing, then on the old schema
        done = await asyncio.gather(*(migrate(url, known) for _ in range(6)))
        assert {to for _, to in done} == {end}
    assert await ask(url, "SELECT version_num FROM alembic_version") == [("9999",)]


async def test_what_is_no_penstock_database_is_refused(url: str, tmp_path: Path) -> None:
    if url.startswith("sqlite"):
        await ask(url, "CREATE TABLE cats (name TEXT)")
    else:
        database = Postgres(url)
        await database.execute("CREATE TABLE runs (name TEXT)")
        await database.close()
    with pytest.raises(Invalid) as refused:
        await open_journal(Settings(data=tmp_path, journal=url))
    assert refused.value.code == "schema.unknown"


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "penstock.db").write_bytes(b"this is a text file, and quite a long one, as text files go" * 100)
    with pytest.raises(Invalid) as refused:
        await open_journal(Settings(data=tmp_path))
    assert refused.value.code == "schema.unknown"


async def test_an_empty_file_is_a_new_database(tmp_path: Path) -> None:
    (tmp_path / "penstock.db").touch()  # what a crash right after the first open leaves
    database, journal = await open_journal(Settings(data=tmp_path))
    assert await journal.create(opening("run_a"))
    await database.close()


@pytest.mark.parametrize(
    ("url", "kind", "code"),
    [
        ("mysql://somewhere/db", Invalid, "settings.journal"),
        ("nonsense", Invalid, "settings.journal"),
        ("sqlite:////nowhere/at/all/penstock.db", Unavailable, "journal.unavailable"),
        ("postgresql://nobody@127.0.0.1:1/db", Unavailable, "journal.unavailable"),
        ("postgresql://nobody@127.0.0.1:port/db", Invalid, "settings.journal"),
        ("postgresql://nobody@127.0.0.1:1/db?sslmode=sometimes", Invalid, "settings.journal"),
    ],
)
async def test_a_url_that_is_wrong(url: str, kind: type[PenstockError], code: str, tmp_path: Path) -> None:
    with pytest.raises(kind) as refused:
        await open_journal(Settings(data=tmp_path, journal=url))
    assert refused.value.code == code
    with pytest.raises(kind) as refused:
        await migrate(url)
    assert refused.value.code == code


async def test_no_such_database(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.schema().replace("/postgres?", "/absent?")
    with pytest.raises(Invalid) as refused:
        await open_journal(Settings(data=tmp_path, journal=url))
    assert refused.value.code == "journal.no_database"


async def test_the_driver_is_missing(tmp_path: Path) -> None:
    """In a process of its own, in which asyncpg cannot be imported."""
    program = """
import asyncio, sys
sys.modules["asyncpg"] = None
from penstock.app import Settings, open_journal
from penstock.errors import PenstockError
try:
    asyncio.run(open_journal(Settings(journal="postgresql://127.0.0.1:1/db")))
except PenstockError as error:
    print(error.code, error.message)
"""
    assert "journal.driver_missing" in (said := run(program))
    assert "pip install 'penstock[postgres]'" in said


async def test_a_start_with_nothing_to_do_imports_no_alembic(tmp_path: Path) -> None:
    program = f"""
import asyncio, sys, pathlib
from penstock.app import Settings, open_journal
async def main():
    for _ in range(2):
        database, journal = await open_journal(Settings(data=pathlib.Path({str(tmp_path)!r})))
        await database.close()
asyncio.run(main())
print(sorted(name for name in ("alembic", "sqlalchemy", "asyncpg") if name in sys.modules))
"""
    assert run(program).strip() == "[]"


async def test_the_journal_writes_what_the_migrations_made(url: str, tmp_path: Path) -> None:
    await alembic_alone(url)
    database, journal = await open_journal(Settings(data=tmp_path, journal=url))
    assert await journal.create(opening("run_a", 2, outbox=(1,)))
    assert await journal.commit([step("run_a", 2)]) == [True]
    assert await journal.commit([step("run_a", 2)]) == [False]
    await database.close()


def run(program: str) -> str:
    source = str(Path(penstock.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_new_file_that_another_process_is_changing_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite says at once that it is locked, whatever its time-out."""
    refusals = [3]

    class Contended(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if "journal_mode" in sql and refusals[0]:
                refusals[0] -= 1
                raise sqlite3.OperationalError("database is locked")
            return super().execute(sql, *values)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **more: connect(*given, **more, factory=Contended))
    assert migrations.prepare_sqlite(tmp_path / "penstock.db") == (None, HEAD)
    assert refusals == [0]
