-- part: organization
o.id, w.name, o.forbid_personal, o.created

-- name: Organization
SELECT {organization} FROM organizations o JOIN owners w ON w.id = o.id WHERE o.id = $1

-- name: OrganizationByName
SELECT {organization} FROM owners w JOIN organizations o ON o.id = w.id WHERE w.name = $1

-- name: Revision
SELECT revision FROM organizations WHERE id = $1

-- name: AddOwner
INSERT INTO owners (id, name, kind) VALUES ($1, $2, $3)

-- name: RenameOwner
UPDATE owners SET name = $2 WHERE id = $1

-- name: AddOrganization
INSERT INTO organizations (id, forbid_personal, created, revision) VALUES ($1, $2, $3, 1)

-- name: UpdateOrganization
UPDATE organizations SET forbid_personal = $2, revision = revision + 1 WHERE id = $1

-- name: LockOrganization
SELECT revision FROM organizations WHERE id = $1

-- Whoever changes what an organization owns does this first: it holds the
-- organization's row until the commit, and so makes such writers queue up.
-- name: BumpRevision
UPDATE organizations SET revision = revision + 1 WHERE id = $1

-- name: BumpRevisionsOf
UPDATE organizations SET revision = revision + 1
WHERE id IN (SELECT organization_id FROM members WHERE user_id = $1)

-- part: keys
organization_id, kek, wrapped, version

-- name: WrappedKeys
SELECT {keys} FROM wrapped_keys WHERE organization_id = $1

-- name: AllWrappedKeys
SELECT {keys} FROM wrapped_keys ORDER BY organization_id

-- name: AddWrappedKeys
INSERT INTO wrapped_keys (organization_id, kek, wrapped, version) VALUES ($1, $2, $3, 1)
ON CONFLICT (organization_id) DO NOTHING

-- name: UpdateWrappedKeys
UPDATE wrapped_keys SET kek = $2, wrapped = $3, version = version + 1
WHERE organization_id = $1 AND version = $4
