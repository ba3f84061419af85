-- part: token
id, kind, name, hash, COALESCE(user_id, ''), COALESCE(worker_id, ''), COALESCE(organization_id, ''),
scopes, created, expires, last_used

-- name: TokenByHash
SELECT {token} FROM tokens WHERE hash = $1

-- name: TokensOf
SELECT {token} FROM tokens
WHERE user_id = $1 AND kind IN ('api', 'session')
ORDER BY created DESC, id DESC

-- name: AddToken
INSERT INTO tokens (id, kind, name, hash, user_id, worker_id, organization_id, scopes, created, expires, last_used)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: TakeLink
DELETE FROM tokens WHERE hash = $1 AND kind IN ('setup', 'invite') RETURNING {token}

-- name: RemoveToken
DELETE FROM tokens WHERE user_id = $1 AND id = $2

-- name: RemoveTokensOf
DELETE FROM tokens WHERE user_id = $1 AND kind = $2

-- name: TouchToken
UPDATE tokens SET last_used = GREATEST(last_used, $2) WHERE id = $1

-- name: SweepTokens
DELETE FROM tokens WHERE expires < $1
