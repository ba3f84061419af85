-- part: connector
c.organization_id, c.id, c.name, c.family, c.method, c.public, c.version, c.expires, c.created, c.updated,
(SELECT json_agg(f.field ORDER BY f.field)::text FROM sealed_fields f
 WHERE f.organization_id = c.organization_id AND f.connector_id = c.id)

-- name: Connector
SELECT {connector} FROM connectors c WHERE c.organization_id = $1 AND c.id = $2

-- name: ConnectorByName
SELECT {connector} FROM connectors c WHERE c.organization_id = $1 AND c.name = $2

-- name: ConnectorsOf
SELECT {connector} FROM connectors c WHERE c.organization_id = $1 ORDER BY c.name

-- name: SealedFields
SELECT field, version, sealed FROM sealed_fields
WHERE organization_id = $1 AND connector_id = $2
ORDER BY field

-- name: HasConnector
SELECT EXISTS (SELECT 1 FROM connectors WHERE organization_id = $1 AND id = $2)

-- name: AddConnector
INSERT INTO connectors (organization_id, id, name, family, method, public, expires, created, updated, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1)

-- name: UpdateConnector
UPDATE connectors SET name = $3, family = $4, method = $5, public = $6, expires = $7, updated = $8,
  version = version + 1
WHERE organization_id = $1 AND id = $2 AND version = $9

-- name: ClaimRenewal
UPDATE connectors SET renewing = $5
WHERE organization_id = $1 AND id = $2 AND version = $3 AND (renewing IS NULL OR renewing <= $4)

-- name: HasConnectorVersion
SELECT EXISTS (SELECT 1 FROM connectors WHERE organization_id = $1 AND id = $2 AND version = $3)

-- name: RemoveConnector
DELETE FROM connectors WHERE organization_id = $1 AND id = $2

-- name: AddSealedField
INSERT INTO sealed_fields (organization_id, connector_id, field, version, sealed) VALUES ($1, $2, $3, $4, $5)

-- name: RemoveSealedFields
DELETE FROM sealed_fields WHERE organization_id = $1 AND connector_id = $2

-- name: ResealField
UPDATE sealed_fields SET sealed = $5
WHERE organization_id = $1 AND connector_id = $2 AND field = $3 AND version = $4
