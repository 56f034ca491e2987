"""pre-deployment: named things, and sums of what groups have used.

The table `servers`, which nothing ever used, makes room for `registry`.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WORDS = {
    "sqlite": {"text": "TEXT", "integer": "INTEGER"},
    "postgresql": {"text": 'TEXT COLLATE "C"', "integer": "BIGINT"},
}

TABLES = """
DROP TABLE servers;

CREATE TABLE registry (
  grp {text} NOT NULL,
  kind {text} NOT NULL,
  name {text} NOT NULL,
  body {text} NOT NULL,
  updated_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (grp, kind, name)
);

CREATE TABLE usage (
  grp {text} NOT NULL,
  scope {text} NOT NULL,
  period {text} NOT NULL,
  tokens {integer} NOT NULL,
  nano {integer} NOT NULL,
  iterations {integer} NOT NULL,
  PRIMARY KEY (grp, scope, period)
);
"""


def upgrade() -> None:
    words = WORDS[op.get_context().dialect.name]
    for statement in TABLES.format(**words).split(";\n"):
        if statement.strip():
            op.execute(statement)
