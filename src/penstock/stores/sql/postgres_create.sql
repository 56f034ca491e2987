-- Open many runs with their first events, each only if it does not exist, in one statement.
-- $1-$14: one element for each run, in the order of run_id. $15-$19: one for each event. $20-$21: one for each message.
WITH made AS (
  INSERT INTO runs (run_id, grp, workflow, version, status, mode, actor, created_at, updated_at, parent, error, asks, head, wake_at)
  SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::float8[], $9::float8[],
    $10::text[], $11::text[], $12::text[], $13::bigint[], $14::float8[]
  )
  ON CONFLICT DO NOTHING
  RETURNING run_id
), appended AS (
  INSERT INTO events (run_id, seq, at, kind, data)
  SELECT e.run_id, e.seq, e.at, e.kind, e.data
  FROM unnest($15::text[], $16::bigint[], $17::float8[], $18::text[], $19::text[]) AS e (run_id, seq, at, kind, data)
  JOIN made ON made.run_id = e.run_id
), promised AS (
  INSERT INTO outbox (run_id, seq)
  SELECT m.run_id, m.seq FROM unnest($20::text[], $21::bigint[]) AS m (run_id, seq) JOIN made ON made.run_id = m.run_id
)
SELECT run_id FROM made
