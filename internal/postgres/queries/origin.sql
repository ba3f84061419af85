-- name: OriginsOf
SELECT digest, host, whole, since FROM origins WHERE digest = $1 ORDER BY host

-- name: PutOrigin
INSERT INTO origins (digest, host, whole, since) VALUES ($1, $2, $3, $4)
ON CONFLICT (digest, host) DO UPDATE SET whole = origins.whole OR excluded.whole
