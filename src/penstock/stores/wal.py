"""The change of a new SQLite file to its write-ahead log, by several processes at once."""

from __future__ import annotations

import sqlite3
import time

PATIENCE = 30.0  # seconds to wait for another process that holds the file


def use_wal(connection: sqlite3.Connection) -> None:
    """Several processes may open a new file at once. The change to WAL needs the file alone, and SQLite's own patience does not
    cover it: whoever comes second is told that the file is locked, at once, and asks again."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
