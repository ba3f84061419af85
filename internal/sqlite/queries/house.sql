-- part: secret
name, kek, sealed, version

-- name: HouseSecret
SELECT {secret} FROM house_secrets WHERE name = $1

-- name: HouseSecrets
SELECT {secret} FROM house_secrets ORDER BY name

-- name: AddHouseSecret
INSERT INTO house_secrets (name, kek, sealed, version) VALUES ($1, $2, $3, 1)
ON CONFLICT (name) DO NOTHING

-- name: UpdateHouseSecret
UPDATE house_secrets SET kek = $2, sealed = $3, version = version + 1
WHERE name = $1 AND version = $4
