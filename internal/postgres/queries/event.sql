-- part: event
id, at, organization_id, project_id, by_kind, by_id, by_name, from_address, request, action,
on_kind, on_id, on_name, allowed, detail

-- name: Event
SELECT {event} FROM events WHERE organization_id = $1 AND id = $2

-- Each of these walks the index of one filter, from $2 down to $3, and looks at the
-- others on the way: an empty filter is none. EventFloor... says where a walk has come
-- to after $3 events, by the index alone.

-- part: events
SELECT {event} FROM events WHERE organization_id = $1 AND id < $2 AND id >= $3

-- part: chosen
AND ($5 = '' OR project_id = $5) AND ($6 = '' OR action = $6) AND ($7 = '' OR substr(action, 1, length($7)) = $7)
AND ($8 = '' OR by_id = $8) AND ($9 = '' OR by_name = $9) AND ($10 = '' OR on_kind = $10) AND ($11 = '' OR on_name = $11)
AND ($12 = '' OR CASE WHEN allowed THEN 'allowed' ELSE 'denied' END = $12)
AND ($13 = '' OR strpos(lower(by_name || ' ' || action || ' ' || on_kind || ' ' || on_name || ' ' || on_id || ' ' || from_address || ' ' || request || ' ' || detail), $13) > 0)
ORDER BY id DESC LIMIT $4

-- part: floor
ORDER BY id DESC LIMIT 1 OFFSET $3

-- name: EventsOf
{events} {chosen}

-- name: EventFloorOf
SELECT id FROM events WHERE organization_id = $1 AND id < $2 {floor}

-- name: EventsOfProject
{events} AND project_id = $5 {chosen}

-- name: EventFloorOfProject
SELECT id FROM events WHERE organization_id = $1 AND id < $2 AND project_id = $4 {floor}

-- name: EventsOfAction
{events} AND action = $6 {chosen}

-- name: EventFloorOfAction
SELECT id FROM events WHERE organization_id = $1 AND id < $2 AND action = $4 {floor}

-- name: EventsOfSubject
{events} AND by_id = $8 {chosen}

-- name: EventFloorOfSubject
SELECT id FROM events WHERE organization_id = $1 AND id < $2 AND by_id = $4 {floor}

-- name: EventsOfObject
{events} AND on_kind = $10 AND on_name = $11 {chosen}

-- name: EventFloorOfObject
SELECT id FROM events WHERE organization_id = $1 AND id < $2 AND on_kind = $4 AND on_name = $5 {floor}

-- name: EventsDenied
{events} AND NOT allowed {chosen}

-- name: EventFloorDenied
SELECT id FROM events WHERE organization_id = $1 AND id < $2 AND NOT allowed {floor}

-- name: AddEvent
INSERT INTO events ({event}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
