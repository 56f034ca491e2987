"""One Postgres database, through asyncpg: the same small surface as `Sqlite`.

Reads and single statements go through a pool; whoever needs a connection of its own (the journal's writers) asks for one with
`connect`. Nothing here keeps state in a session, so a connection that is lost is simply replaced: what was being asked then
fails as Unavailable, once, except that reads are asked again first.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

from ..errors import Invalid, Unavailable
from .encoding import plain

POOL = 8  # connections for reads and single statements
CONNECT = 10.0  # seconds a connection may take to open
COMMAND = 60.0  # seconds a statement may take

# Where the server's default would answer before a commit is on disk, say so; a stronger default stays.
_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
_PLACEHOLDER = re.compile(r"\?(\d+)")


class Postgres:
    def __init__(self, url: str, pool: int = POOL) -> None:
        """`url` is postgresql://…, with TLS and other settings in it as libpq knows them. Connects when first used.
        Raises Invalid, code `journal.driver_missing`."""
        self._driver = _driver()
        self._url = url
        self._size = pool
        self._pool: Any = None
        self._before_close: list[Callable[[], Awaitable[None]]] = []
        self._closed = False

    def before_close(self, call: Callable[[], Awaitable[None]]) -> None:
        """Have `call` awaited when this is closed, while there still is a database."""
        self._before_close.append(call)

    async def connect(self) -> Any:
        """A connection outside the pool; the caller closes it. Raises Unavailable; Invalid for a URL that is wrong."""
        with self.guarded():
            try:
                connection = await self._driver.connect(self._url, timeout=CONNECT, command_timeout=COMMAND)
            except ValueError as error:
                raise Invalid(f"the database's URL is not right: {error}", code="settings.journal") from error
            await _prepare(connection)
            return connection

    async def fetch(self, sql: str, parameters: Sequence[Any] = (), large: bool = False) -> list[Any]:
        """All rows, each indexed and unpacked like a tuple. Raises Unavailable."""
        for left in reversed(range(self._size + 1)):  # every connection in the pool may be one that died unnoticed
            try:
                return await self._ask(sql, parameters)
            except _Lost:
                if not left:
                    raise
        raise AssertionError

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """One statement, a transaction by itself; returns its rows (`RETURNING`). Raises Unavailable: then it was done entirely
        or not at all."""
        return await self._ask(sql, parameters)

    async def close(self) -> None:
        """Let what is being asked finish, then let go of all connections."""
        for call in self._before_close:
            await call()
        self._closed = True
        if self._pool is not None:
            with contextlib.suppress(OSError, TimeoutError, self._driver.PostgresError, self._driver.InterfaceError):
                await self._pool.close()

    async def _ask(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        values = [plain(value) if type(value) is str else value for value in parameters]
        async with self._connection() as connection:
            return await connection.fetch(_dollars(sql), *values)

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        if self._closed:
            raise Unavailable("the database has been closed", code="journal.unavailable", retryable=False)
        with self.guarded():
            if self._pool is None:
                self._pool = self._driver.create_pool(
                    self._url,
                    min_size=0,
                    max_size=self._size,
                    timeout=CONNECT,
                    command_timeout=COMMAND,
                    init=_prepare,
                    reset=_leave,  # the default costs a round trip, and there is nothing to put back
                )
            async with (await self._pool).acquire() as connection:
                try:
                    with self.guarded():
                        yield connection
                except Unavailable as error:
                    with contextlib.suppress(self._driver.InterfaceError):  # it is gone already
                        connection.terminate()
                    raise _Lost(error.message, code=error.code) from error.__cause__

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Whatever says that the database is not there for now becomes Unavailable."""
        driver = self._driver
        try:
            yield
        except (driver.InvalidPasswordError, driver.InvalidAuthorizationSpecificationError) as error:
            raise Invalid(f"the database refuses us: {error}", code="journal.refused") from error
        except driver.InvalidCatalogNameError as error:
            raise Invalid(f"the database is not there: {error}", code="journal.no_database") from error
        except driver.PostgresError as error:
            if is_passing(error.sqlstate):
                raise Unavailable(f"the database did not do it: {error}", code="journal.unavailable") from error
            raise
        except driver.InterfaceError as error:
            if "clos" not in str(error):  # the driver has no other name for "this connection is closed (or closing)"
                raise
            raise Unavailable(f"the connection to the database is lost: {error}", code="journal.unavailable") from error
        except (OSError, TimeoutError, driver.InternalClientError) as error:
            raise Unavailable(
                f"the database does not answer: {error or type(error).__name__}", code="journal.unavailable"
            ) from error


class _Lost(Unavailable):
    """It failed on a connection that there was; on a new one it may not."""


def is_passing(sqlstate: str | None) -> bool:
    """Whether a Postgres error says "not now": connection lost (08), resources (53), read-only standby (25006), deadlock or
    serialization (40), lock not to be had (55P03), shutdown, start-up or cancelled (57), disk (58)."""
    state = sqlstate or ""
    return state[:2] in ("08", "40", "53", "57", "58") or state in ("25006", "55P03")


async def _prepare(connection: Any) -> None:
    await connection.execute(_DURABLE)
    # Plan each time: a plan made while the tables were small would be kept when they no longer are.
    await connection.execute("SET plan_cache_mode = force_custom_plan")


async def _leave(_: Any) -> None:
    return None


@functools.lru_cache(maxsize=512)
def _dollars(sql: str) -> str:
    return _PLACEHOLDER.sub(r"$\1", sql)


def _driver() -> Any:
    try:
        import asyncpg  # noqa: PLC0415 - an extra
    except ImportError:
        raise Invalid(
            "a journal on Postgres needs the driver asyncpg: pip install 'penstock[postgres]'",
            code="journal.driver_missing",
        ) from None
    return asyncpg
