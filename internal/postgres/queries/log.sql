-- The chunks that hold the lines between two numbers are found in the primary key,
-- whatever their sizes: the first is the last that doesn't begin after $2.

-- name: Log
SELECT first, lines FROM log_chunks
WHERE run_id = $1
  AND first >= COALESCE((SELECT first FROM log_chunks WHERE run_id = $1 AND first <= $2 ORDER BY first DESC LIMIT 1), 1)
  AND first <= $3
ORDER BY first

-- part: end
COALESCE((SELECT last FROM log_chunks WHERE run_id = $1 ORDER BY first DESC LIMIT 1), 0)

-- name: LastLine
SELECT {end}

-- name: LogEnd
SELECT fence, {end} FROM runs WHERE id = $1

-- Adds a chunk if it follows the last one and the fence is the run's.
-- name: AddChunk
INSERT INTO log_chunks (run_id, first, last, lines)
SELECT id, $3::bigint, $4::bigint, $5::bytea FROM runs WHERE id = $1 AND fence = $2 AND $3 = 1 + {end}
ON CONFLICT (run_id, first) DO NOTHING
