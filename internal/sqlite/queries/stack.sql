-- part: stack
s.organization_id, s.id, s.name, COALESCE(s.registry_id, ''), COALESCE(r.name, ''), s.repository, s.engine, s.queue,
s.version, s.created, s.updated

-- part: pushed
LEFT JOIN registries r ON r.organization_id = s.organization_id AND r.id = s.registry_id

-- name: StackByName
SELECT {stack} FROM stacks s {pushed} WHERE s.organization_id = $1 AND s.name = $2

-- name: StacksOf
SELECT {stack} FROM stacks s {pushed} WHERE s.organization_id = $1 ORDER BY s.name

-- name: HasStack
SELECT EXISTS (SELECT 1 FROM stacks WHERE organization_id = $1 AND id = $2)

-- name: StacksUsing
SELECT name, COUNT(*) OVER () FROM stacks
WHERE organization_id = $1 AND registry_id = $2
ORDER BY name LIMIT $3

-- name: ProjectsUsing
SELECT p.name, COUNT(*) OVER () FROM project_stacks a JOIN projects p ON p.id = a.project_id
WHERE a.organization_id = $1 AND a.stack_id = $2
ORDER BY p.name LIMIT $3

-- name: AddStack
INSERT INTO stacks (organization_id, id, name, registry_id, repository, engine, queue, created, updated, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1)

-- name: UpdateStack
UPDATE stacks SET name = $3, registry_id = $4, repository = $5, engine = $6, queue = $7, updated = $8,
  version = version + 1
WHERE organization_id = $1 AND id = $2 AND version = $9

-- name: RemoveStack
DELETE FROM stacks WHERE organization_id = $1 AND id = $2

-- name: SetProjectStack
INSERT INTO project_stacks (project_id, organization_id, stack_id) VALUES ($1, $2, $3)
ON CONFLICT (project_id) DO UPDATE SET organization_id = excluded.organization_id, stack_id = excluded.stack_id

-- name: UnsetProjectStack
DELETE FROM project_stacks WHERE project_id = $1

-- A stack stays behind when the project goes to another owner.
-- name: LeaveProjectStack
DELETE FROM project_stacks WHERE project_id = $1 AND organization_id <> $2
