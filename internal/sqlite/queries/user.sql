-- part: user
u.id, w.name, u.email, u.password, u.created

-- name: User
SELECT {user} FROM users u JOIN owners w ON w.id = u.id WHERE u.id = $1

-- name: UserByName
SELECT {user} FROM owners w JOIN users u ON u.id = w.id WHERE w.name = $1

-- name: IsSetUp
SELECT EXISTS (SELECT 1 FROM users)

-- name: AddUser
INSERT INTO users (id, email, password, created) VALUES ($1, $2, $3, $4)

-- name: UpdateUser
UPDATE users SET email = $2, password = $3 WHERE id = $1

-- name: Memberships
SELECT organization_id, user_id, role, since FROM members WHERE user_id = $1 ORDER BY organization_id

-- name: MembersOf
SELECT {user}, m.role, m.since
FROM members m JOIN users u ON u.id = m.user_id JOIN owners w ON w.id = u.id
WHERE m.organization_id = $1
ORDER BY w.name

-- name: PutMember
INSERT INTO members (organization_id, user_id, role, since) VALUES ($1, $2, $3, $4)
ON CONFLICT (organization_id, user_id) DO UPDATE SET role = excluded.role

-- name: RemoveMember
DELETE FROM members WHERE organization_id = $1 AND user_id = $2

-- name: IsLastAdmin
SELECT EXISTS (SELECT 1 FROM members WHERE organization_id = $1 AND user_id = $2 AND role = 'admin')
  AND NOT EXISTS (SELECT 1 FROM members WHERE organization_id = $1 AND user_id <> $2 AND role = 'admin')
