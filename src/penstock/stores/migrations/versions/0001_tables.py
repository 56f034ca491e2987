"""pre-deployment: the first tables.

Written out for both databases and never changed again: sql/schema.sql goes on from here, this does not.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WORDS = {
    "sqlite": {
        "text": "TEXT",
        "integer": "INTEGER",
        "position": "INTEGER PRIMARY KEY",
        "clustered": " WITHOUT ROWID",
    },
    "postgresql": {
        "text": 'TEXT COLLATE "C"',
        "integer": "BIGINT",
        "position": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "clustered": "",
    },
}

TABLES = """
CREATE TABLE runs (
  run_id {text} NOT NULL PRIMARY KEY,
  grp {text} NOT NULL,
  workflow {text} NOT NULL,
  version {integer} NOT NULL,
  status {text} NOT NULL,
  mode {text} NOT NULL,
  actor {text} NOT NULL,
  created_at DOUBLE PRECISION NOT NULL,
  updated_at DOUBLE PRECISION NOT NULL,
  parent {text},
  error {text},
  asks {text},
  head {integer} NOT NULL,
  wake_at DOUBLE PRECISION
);
CREATE INDEX runs_by_age ON runs (grp, created_at DESC, run_id DESC);
CREATE INDEX runs_by_workflow ON runs (grp, workflow, created_at DESC, run_id DESC);
CREATE INDEX runs_due ON runs (wake_at) WHERE wake_at IS NOT NULL AND status <> 'queued';
CREATE INDEX runs_queued ON runs (wake_at) WHERE status = 'queued';
CREATE INDEX runs_live ON runs (status, created_at DESC, run_id DESC) WHERE status NOT IN ('completed', 'cancelled');

CREATE TABLE events (
  run_id {text} NOT NULL,
  seq {integer} NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  kind {text} NOT NULL,
  data {text} NOT NULL,
  PRIMARY KEY (run_id, seq)
){clustered};

CREATE TABLE outbox (
  position {position},
  run_id {text} NOT NULL,
  seq {integer} NOT NULL,
  UNIQUE (run_id, seq)
);

CREATE TABLE workflows (
  grp {text} NOT NULL,
  slug {text} NOT NULL,
  document {text} NOT NULL,
  etag {text} NOT NULL,
  title {text} NOT NULL,
  persona {text} NOT NULL,
  tags {text} NOT NULL,
  updated_at DOUBLE PRECISION NOT NULL,
  updated_by {text} NOT NULL,
  PRIMARY KEY (grp, slug)
);

CREATE TABLE versions (
  grp {text} NOT NULL,
  slug {text} NOT NULL,
  number {integer} NOT NULL,
  fingerprint {text} NOT NULL,
  document {text} NOT NULL,
  created_at DOUBLE PRECISION NOT NULL,
  created_by {text} NOT NULL,
  note {text} NOT NULL,
  PRIMARY KEY (grp, slug, number)
);

CREATE TABLE idempotency (
  grp {text} NOT NULL,
  key {text} NOT NULL,
  body_digest {text} NOT NULL,
  run_id {text} NOT NULL,
  created_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (grp, key)
);

CREATE TABLE secrets (
  grp {text} NOT NULL,
  name {text} NOT NULL,
  sealed {text} NOT NULL,
  updated_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (grp, name)
);

CREATE TABLE servers (
  grp {text} NOT NULL,
  name {text} NOT NULL,
  config {text} NOT NULL,
  updated_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (grp, name)
);
"""


def upgrade() -> None:
    words = WORDS[op.get_context().dialect.name]
    for statement in TABLES.format(**words).split(";\n"):
        if statement.strip():
            op.execute(statement)
