-- The queue is the index runs_queued (or runs_queued_of, for one organization), and
-- what workers hold is the index runs_held.

-- part: claim
state = 'preparing', worker_id = $1, worker_name = $2, engine = $3, claimed = $4, until = $5,
attempt = attempt + 1, fence = fence + 1

-- name: ClaimAny
UPDATE runs SET {claim}
WHERE id = (SELECT id FROM runs WHERE state = 'queued' ORDER BY created, id LIMIT 1
  FOR NO KEY UPDATE SKIP LOCKED)
RETURNING {run}

-- name: ClaimOf
UPDATE runs SET {claim}
WHERE id = (SELECT id FROM runs WHERE state = 'queued' AND organization_id = $6 ORDER BY created, id LIMIT 1
  FOR NO KEY UPDATE SKIP LOCKED)
RETURNING {run}

-- name: ClaimableAny
SELECT EXISTS (SELECT 1 FROM runs WHERE state = 'queued') OR EXISTS (SELECT 1 FROM runs WHERE until < $1)

-- name: ClaimableOf
SELECT EXISTS (SELECT 1 FROM runs WHERE state = 'queued' AND organization_id = $2)
  OR EXISTS (SELECT 1 FROM runs WHERE until < $1 AND organization_id = $2)

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
