-- part: worker
id, organization_id, name, created, last_seen, engine, platform, version, queues

-- name: Worker
SELECT {worker} FROM workers WHERE id = $1

-- name: WorkersOf
SELECT {worker} FROM workers WHERE organization_id = $1 ORDER BY name

-- name: AddWorker
INSERT INTO workers (id, organization_id, name, created, last_seen, engine, platform, version, queues)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: RemoveWorker
DELETE FROM workers WHERE organization_id = $1 AND id = $2

-- name: TouchWorker
UPDATE workers SET last_seen = $2, engine = $3, platform = $4, version = $5, queues = $6 WHERE id = $1
