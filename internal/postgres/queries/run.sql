-- part: run
id, project_id, number, organization_id, state, spec, archive, creator, created, claimed, began, ended,
pulled, exit_code, failure, progress, worker_id, worker_name, engine, attempt, fence, until, stop_by, diagnosis

-- name: Run
SELECT {run} FROM runs WHERE id = $1

-- name: RunByNumber
SELECT {run} FROM runs WHERE project_id = $1 AND number = $2

-- name: RunsOf
SELECT {run} FROM runs WHERE project_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3

-- name: AddRun
INSERT INTO runs ({run}, lane)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)

-- name: LockRun
SELECT {run} FROM runs WHERE id = $1 FOR NO KEY UPDATE

-- $4 says whether a worker holds the run in the new state. If none does, the run has
-- no hold and nobody's progress.
-- name: UpdateRun
UPDATE runs SET state = $3, began = $5, ended = $6, pulled = $7, exit_code = $8, failure = $9, stop_by = $10,
  until = CASE WHEN $4 THEN until END, progress = CASE WHEN $4 THEN progress END
WHERE id = $1 AND fence = $2 AND state IN ('queued', 'preparing', 'started', 'stopping')
  AND (until IS NOT NULL OR NOT $4)

-- name: OutputsOf
SELECT name, digest, size FROM outputs WHERE run_id = $1 ORDER BY name

-- name: AddOutput
INSERT INTO outputs (run_id, name, digest, size) VALUES ($1, $2, $3, $4)
ON CONFLICT (run_id, name) DO UPDATE SET digest = excluded.digest, size = excluded.size

-- name: NoteDiagnosis
UPDATE runs SET diagnosis = $2 WHERE id = $1
