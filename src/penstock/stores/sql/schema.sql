-- The whole schema, for a new database, as SQLite reads it; sql/__init__.py says the same to Postgres. A test compares it with
-- what the migrations produce, on both.
CREATE TABLE runs (
  run_id TEXT NOT NULL PRIMARY KEY,
  grp TEXT NOT NULL,
  workflow TEXT NOT NULL,
  version INTEGER NOT NULL,
  status TEXT NOT NULL,
  mode TEXT NOT NULL,
  actor TEXT NOT NULL,
  created_at DOUBLE PRECISION NOT NULL,
  updated_at DOUBLE PRECISION NOT NULL,
  parent TEXT,
  error TEXT,
  asks TEXT,
  head INTEGER NOT NULL,
  wake_at DOUBLE PRECISION
);
CREATE INDEX runs_by_age ON runs (grp, created_at DESC, run_id DESC);
CREATE INDEX runs_by_workflow ON runs (grp, workflow, created_at DESC, run_id DESC);
CREATE INDEX runs_due ON runs (wake_at) WHERE wake_at IS NOT NULL AND status <> 'queued';
CREATE INDEX runs_queued ON runs (wake_at) WHERE status = 'queued';
CREATE INDEX runs_live ON runs (status, created_at DESC, run_id DESC) WHERE status NOT IN ('completed', 'cancelled');

CREATE TABLE events (
  run_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  kind TEXT NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;

CREATE TABLE outbox (
  position INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  UNIQUE (run_id, seq)
);

CREATE TABLE workflows (
  grp TEXT NOT NULL,
  slug TEXT NOT NULL,
  document TEXT NOT NULL,
  etag TEXT NOT NULL,
  title TEXT NOT NULL,
  persona TEXT NOT NULL,
  tags TEXT NOT NULL,
  updated_at DOUBLE PRECISION NOT NULL,
  updated_by TEXT NOT NULL,
  PRIMARY KEY (grp, slug)
);

CREATE TABLE versions (
  grp TEXT NOT NULL,
  slug TEXT NOT NULL,
  number INTEGER NOT NULL,
  fingerprint TEXT NOT NULL,
  document TEXT NOT NULL,
  created_at DOUBLE PRECISION NOT NULL,
  created_by TEXT NOT NULL,
  note TEXT NOT NULL,
  PRIMARY KEY (grp, slug, number)
);

CREATE TABLE idempotency (
  grp TEXT NOT NULL,
  key TEXT NOT NULL,
  body_digest TEXT NOT NULL,
  run_id TEXT NOT NULL,
  created_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (grp, key)
);

CREATE TABLE secrets (
  grp TEXT NOT NULL,
  name TEXT NOT NULL,
  sealed TEXT NOT NULL,
  updated_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (grp, name)
);

CREATE TABLE registry (
  grp TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  body TEXT NOT NULL,
  updated_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (grp, kind, name)
);

CREATE TABLE usage (
  grp TEXT NOT NULL,
  scope TEXT NOT NULL,
  period TEXT NOT NULL,
  tokens INTEGER NOT NULL,
  nano INTEGER NOT NULL,
  iterations INTEGER NOT NULL,
  PRIMARY KEY (grp, scope, period)
);

CREATE TABLE alembic_version (
  version_num VARCHAR(32) NOT NULL CONSTRAINT alembic_version_pkc PRIMARY KEY
);
