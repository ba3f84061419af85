-- name: Previous
SELECT p.method, p.public, p.expires, p.replaced, p.until,
(SELECT json_group_array(f.field ORDER BY f.field) FROM previous_fields f
 WHERE f.organization_id = p.organization_id AND f.connector_id = p.connector_id)
FROM connector_previous p WHERE p.organization_id = $1 AND p.connector_id = $2 AND p.until > $3

-- name: PreviousFields
SELECT f.field, f.version, f.sealed
FROM connector_previous p JOIN previous_fields f ON f.organization_id = p.organization_id AND f.connector_id = p.connector_id
WHERE p.organization_id = $1 AND p.connector_id = $2 AND p.until > $3
ORDER BY f.field

-- name: RemovePrevious
DELETE FROM connector_previous WHERE organization_id = $1 AND connector_id = $2

-- name: KeepPrevious
INSERT INTO connector_previous (organization_id, connector_id, method, public, expires, replaced, until)
SELECT organization_id, id, method, public, expires, $3, $4 FROM connectors WHERE organization_id = $1 AND id = $2

-- name: KeepPreviousFields
INSERT INTO previous_fields (organization_id, connector_id, field, version, sealed)
SELECT organization_id, connector_id, field, version, sealed FROM sealed_fields WHERE organization_id = $1 AND connector_id = $2

-- name: ResealPreviousField
UPDATE previous_fields SET sealed = $5
WHERE organization_id = $1 AND connector_id = $2 AND field = $3 AND version = $4

-- name: SweepPrevious
DELETE FROM connector_previous WHERE until <= $1

-- part: health
h.connector_id, h.version, h.verdict, h.state, h.checked, h.why, h.used

-- name: Health
SELECT {health} FROM connector_health h WHERE h.organization_id = $1 AND h.connector_id = $2

-- name: LockHealth
SELECT {health} FROM connector_health h WHERE h.organization_id = $1 AND h.connector_id = $2

-- name: HealthsOf
SELECT {health} FROM connector_health h WHERE h.organization_id = $1 ORDER BY h.connector_id

-- name: AddHealth
INSERT INTO connector_health (organization_id, connector_id, version, verdict, state, why, due)
VALUES ($1, $2, 0, 'unverified', 'unverified', '', $3)

-- name: DueHealth
UPDATE connector_health SET due = $3 WHERE organization_id = $1 AND connector_id = $2

-- name: TellHealth
UPDATE connector_health SET state = $3 WHERE organization_id = $1 AND connector_id = $2

-- What was tried earlier, or as it was earlier, doesn't replace what is known now.
-- name: NoteTrial
UPDATE connector_health SET version = $3, verdict = $4, checked = $5, why = $6, due = $7
WHERE organization_id = $1 AND connector_id = $2 AND version <= $3 AND COALESCE(checked, $5) <= $5

-- name: TouchConnector
UPDATE connector_health SET used = MAX(COALESCE(used, $3), $3) WHERE organization_id = $1 AND connector_id = $2

-- name: ClaimTrial
UPDATE connector_health SET due = $2
WHERE (organization_id, connector_id) IN (SELECT organization_id, connector_id FROM connector_health WHERE due <= $1 ORDER BY due LIMIT 1)
RETURNING organization_id, connector_id

-- name: HoldOrganization
SELECT revision FROM organizations WHERE id = $1

-- name: EntryVersions
SELECT r.version, COALESCE(c.version, 0) FROM registries r
LEFT JOIN connectors c ON c.organization_id = r.organization_id AND c.id = r.connector_id
WHERE r.organization_id = $1 AND r.id = $2

-- name: NoteUse
INSERT INTO connector_uses (organization_id, connector_id, project_id, run_id, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (organization_id, connector_id, project_id, run_id) DO UPDATE SET at = excluded.at

-- name: UsesOf
SELECT u.project_id, w.name || '/' || p.name, u.run_id, COALESCE(r.number, 0), u.at
FROM connector_uses u
JOIN projects p ON p.id = u.project_id AND p.owner_id = u.organization_id
JOIN owners w ON w.id = p.owner_id
LEFT JOIN runs r ON r.id = u.run_id
WHERE u.organization_id = $1 AND u.connector_id = $2 AND u.at >= $3
ORDER BY u.at DESC LIMIT $4

-- name: SweepUses
DELETE FROM connector_uses WHERE at < $1
