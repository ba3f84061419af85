-- The queue is the index runs_queued (or runs_queued_of, for one organization), lane by
-- lane, and what workers hold is the index runs_held. The lanes of a worker are a JSON
-- list.

-- part: claim
state = 'preparing', worker_id = $1, worker_name = $2, engine = $3, claimed = $4, until = $5,
attempt = attempt + 1, fence = fence + 1

-- name: ClaimAny
UPDATE runs SET {claim}
WHERE id = (SELECT id FROM runs WHERE state = 'queued' AND lane = $6 ORDER BY created, id LIMIT 1
  FOR NO KEY UPDATE SKIP LOCKED)
RETURNING {run}

-- name: ClaimOf
UPDATE runs SET {claim}
WHERE id = (SELECT id FROM runs WHERE state = 'queued' AND lane = $6 AND organization_id = $7 ORDER BY created, id LIMIT 1
  FOR NO KEY UPDATE SKIP LOCKED)
RETURNING {run}

-- name: ClaimableAny
SELECT EXISTS (SELECT 1 FROM json_array_elements_text($2::json) AS l (value)
    WHERE (SELECT id FROM runs WHERE state = 'queued' AND lane = l.value ORDER BY created, id LIMIT 1) IS NOT NULL)
  OR EXISTS (SELECT 1 FROM runs WHERE until < $1)

-- name: ClaimableOf
SELECT EXISTS (SELECT 1 FROM json_array_elements_text($2::json) AS l (value)
    WHERE (SELECT id FROM runs WHERE state = 'queued' AND lane = l.value AND organization_id = $3 ORDER BY created, id LIMIT 1) IS NOT NULL)
  OR EXISTS (SELECT 1 FROM runs WHERE until < $1 AND organization_id = $3)

-- The oldest run that waits in each lane.
-- name: HeadsAny
SELECT r.lane, r.created, r.id FROM json_array_elements_text($1::json) AS l (value)
JOIN runs r ON r.id = (SELECT id FROM runs WHERE state = 'queued' AND lane = l.value ORDER BY created, id LIMIT 1)

-- name: HeadsOf
SELECT r.lane, r.created, r.id FROM json_array_elements_text($1::json) AS l (value)
JOIN runs r ON r.id = (SELECT id FROM runs WHERE state = 'queued' AND lane = l.value AND organization_id = $2 ORDER BY created, id LIMIT 1)

-- name: LostRun
SELECT {run} FROM runs WHERE until < $1 ORDER BY until LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED

-- name: LoseRun
UPDATE runs SET state = $2, fence = $3, claimed = $4, began = $5, ended = $6, pulled = $7, failure = $8,
  worker_id = $9, worker_name = $10, engine = $11, until = NULL, progress = NULL
WHERE id = $1

-- name: Renew
UPDATE runs SET until = GREATEST(until, $3), progress = COALESCE($4, progress)
WHERE id = $1 AND fence = $2 AND until IS NOT NULL
RETURNING {run}

-- name: Fence
SELECT fence FROM runs WHERE id = $1
