-- Add to a sum, if it stays within its bounds; no row comes back when it would not. An amount below zero is always taken off.
-- ?1-?3: grp, scope, period. ?4-?6: tokens, nano, iterations to add. ?7-?9: what each sum may be after it, or null.
INSERT INTO usage AS u (grp, scope, period, tokens, nano, iterations)
SELECT ?1, ?2, ?3, ?4, ?5, ?6
WHERE (?7 IS NULL OR ?4 <= ?7 OR ?4 <= 0) AND (?8 IS NULL OR ?5 <= ?8 OR ?5 <= 0) AND (?9 IS NULL OR ?6 <= ?9 OR ?6 <= 0)
ON CONFLICT (grp, scope, period) DO UPDATE
SET tokens = u.tokens + excluded.tokens, nano = u.nano + excluded.nano, iterations = u.iterations + excluded.iterations
WHERE (?7 IS NULL OR u.tokens + ?4 <= ?7 OR ?4 <= 0)
  AND (?8 IS NULL OR u.nano + ?5 <= ?8 OR ?5 <= 0)
  AND (?9 IS NULL OR u.iterations + ?6 <= ?9 OR ?6 <= 0)
RETURNING 1
