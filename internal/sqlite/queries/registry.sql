-- part: registry
r.organization_id, r.id, r.name, r.pattern, COALESCE(r.connector_id, ''), COALESCE(c.name, ''),
r.disclosure, r.push, r.plain_http, r.ca_bundle, r.version, r.created, r.updated

-- part: opened
LEFT JOIN connectors c ON c.organization_id = r.organization_id AND c.id = r.connector_id

-- name: RegistryByName
SELECT {registry} FROM registries r {opened} WHERE r.organization_id = $1 AND r.name = $2

-- name: RegistriesOf
SELECT {registry} FROM registries r {opened} WHERE r.organization_id = $1 ORDER BY r.name

-- name: HasRegistry
SELECT EXISTS (SELECT 1 FROM registries WHERE organization_id = $1 AND id = $2)

-- name: RegistryWithPattern
SELECT name FROM registries WHERE organization_id = $1 AND pattern = $2 AND id <> $3

-- name: RegistriesUsing
SELECT name, COUNT(*) OVER () FROM registries
WHERE organization_id = $1 AND connector_id = $2
ORDER BY name LIMIT $3

-- name: AddRegistry
INSERT INTO registries (organization_id, id, name, pattern, connector_id, disclosure, push, plain_http, ca_bundle,
  created, updated, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1)

-- name: UpdateRegistry
UPDATE registries SET name = $3, pattern = $4, connector_id = $5, disclosure = $6, push = $7, plain_http = $8,
  ca_bundle = $9, updated = $10, version = version + 1
WHERE organization_id = $1 AND id = $2 AND version = $11

-- name: RemoveRegistry
DELETE FROM registries WHERE organization_id = $1 AND id = $2
