-- part: lookout
id, worker_id, endpoint, asked, sight

-- name: SweepLookouts
DELETE FROM lookouts WHERE asked < $1

-- name: AddLookout
INSERT INTO lookouts (id, worker_id, endpoint, asked) VALUES ($1, $2, $3, $4)

-- name: Lookout
SELECT {lookout} FROM lookouts WHERE id = $1

-- name: WaitingLookout
SELECT id FROM lookouts WHERE worker_id = $1 AND taken = 0 AND asked >= $2 ORDER BY asked, id LIMIT 1

-- name: TakeLookout
UPDATE lookouts SET taken = 1 WHERE id = $1 AND taken = 0 RETURNING {lookout}

-- name: AnswerLookout
UPDATE lookouts SET sight = $3 WHERE worker_id = $1 AND id = $2 AND taken = 1 AND sight IS NULL
