"""SQL in files: the schema, in both databases' words, and the statements that are long.

On Postgres every integer has 64 bits, as it has on SQLite, and text is compared by its bytes (COLLATE "C"), as SQLite does it:
so lists come in the same order everywhere, and no upgrade of the system's locales can spoil an index.
"""

from __future__ import annotations

import importlib.resources
import re

_ON_POSTGRES = (
    (re.compile(r"\bINTEGER PRIMARY KEY\b"), "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    (re.compile(r"\bINTEGER\b"), "BIGINT"),
    (re.compile(r"\bTEXT\b"), 'TEXT COLLATE "C"'),
    (re.compile(r"\) WITHOUT ROWID\b"), ")"),
)


def schema(dialect: str = "sqlite") -> list[str]:
    """The statements that make every table. `dialect` is sqlite or postgresql."""
    text = query("schema")
    if dialect == "postgresql":
        for pattern, words in _ON_POSTGRES:
            text = pattern.sub(words, text)
    return [statement.strip() for statement in text.split(";\n") if statement.strip()]


def query(name: str) -> str:
    """The text of NAME.sql, without its comments."""
    text = importlib.resources.files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))
