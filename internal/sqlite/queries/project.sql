-- part: project
p.id, p.name, p.owner_id, w.kind, w.name, p.created, COALESCE(s.id, ''), COALESCE(s.name, '')

-- part: owned
JOIN owners w ON w.id = p.owner_id
LEFT JOIN project_stacks a ON a.project_id = p.id
LEFT JOIN stacks s ON s.organization_id = a.organization_id AND s.id = a.stack_id

-- name: Project
SELECT {project} FROM projects p {owned} WHERE p.id = $1

-- name: ProjectByName
SELECT {project} FROM projects p {owned} WHERE w.name = $1 AND p.name = $2

-- The owners are a JSON list of identifiers.
-- name: ProjectsOf
SELECT {project} FROM projects p {owned}
WHERE p.owner_id IN (SELECT value FROM json_each($1))
ORDER BY w.name || '/' || p.name

-- name: AddProject
INSERT INTO projects (id, owner_id, name, created, runs) VALUES ($1, $2, $3, $4, 0)

-- Reads the owner and keeps others from changing the project or adding runs to it.
-- name: LockProject
SELECT p.owner_id, w.kind FROM projects p JOIN owners w ON w.id = p.owner_id WHERE p.id = $1

-- name: MoveProject
UPDATE projects SET owner_id = $2, name = $3 WHERE id = $1

-- name: LiveRun
SELECT number FROM runs
WHERE project_id = $1 AND state IN ('queued', 'preparing', 'started', 'stopping')
ORDER BY number LIMIT 1

-- name: RemoveProject
DELETE FROM projects WHERE id = $1

-- name: NextRunNumber
UPDATE projects SET runs = runs + 1 WHERE id = $1 RETURNING runs, owner_id, (SELECT kind FROM owners w WHERE w.id = owner_id)

-- name: HasArchive
SELECT EXISTS (SELECT 1 FROM archives WHERE project_id = $1 AND digest = $2)

-- name: AddArchive
INSERT INTO archives (project_id, digest, size, at) VALUES ($1, $2, $3, $4)
ON CONFLICT (project_id, digest) DO NOTHING
