-- Append to many runs, each guarded by its head, in one statement, which is one transaction and one round trip.
-- $1-$8: one element for each commit, in the order of run_id. $9-$13: one for each event. $14-$15: one for each message.
-- Rows are locked in the order of run_id, so that two processes cannot each hold what the other wants. A head that has moved on
-- meanwhile no longer matches when the lock is had, and the commit falls out; what belongs to it is not written.
WITH given AS (
  SELECT * FROM unnest(
    $1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::float8[], $6::text[], $7::text[], $8::float8[]
  ) AS t (run_id, head, next, status, updated_at, error, asks, wake_at)
), held AS MATERIALIZED (
  SELECT runs.run_id FROM runs JOIN given ON runs.run_id = given.run_id AND runs.head = given.head
  ORDER BY runs.run_id FOR UPDATE OF runs
), moved AS (
  UPDATE runs SET head = given.next, status = given.status, updated_at = given.updated_at, error = given.error,
    asks = given.asks, wake_at = given.wake_at
  FROM given JOIN held ON held.run_id = given.run_id
  WHERE runs.run_id = given.run_id AND runs.head = given.head
  RETURNING runs.run_id
), appended AS (
  INSERT INTO events (run_id, seq, at, kind, data)
  SELECT e.run_id, e.seq, e.at, e.kind, e.data
  FROM unnest($9::text[], $10::bigint[], $11::float8[], $12::text[], $13::text[]) AS e (run_id, seq, at, kind, data)
  JOIN moved ON moved.run_id = e.run_id
), promised AS (
  INSERT INTO outbox (run_id, seq)
  SELECT m.run_id, m.seq FROM unnest($14::text[], $15::bigint[]) AS m (run_id, seq) JOIN moved ON moved.run_id = m.run_id
)
SELECT run_id FROM moved
