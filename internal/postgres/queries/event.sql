-- part: event
id, at, organization_id, project_id, by_kind, by_id, by_name, from_address, request, action,
on_kind, on_id, on_name, allowed, detail

-- name: Event
SELECT {event} FROM events WHERE organization_id = $1 AND id = $2

-- Each of the four walks the index of its own filter; the others are looked at on the
-- way. An empty filter is none.

-- name: EventsOf
SELECT {event} FROM events
WHERE organization_id = $1 AND id < $2
ORDER BY id DESC LIMIT $3

-- name: EventsOfProject
SELECT {event} FROM events
WHERE organization_id = $1 AND id < $2 AND project_id = $4 AND ($5 = '' OR action = $5)
ORDER BY id DESC LIMIT $3

-- name: EventsOfAction
SELECT {event} FROM events
WHERE organization_id = $1 AND id < $2 AND action = $4
ORDER BY id DESC LIMIT $3

-- name: EventsOfSubject
SELECT {event} FROM events
WHERE organization_id = $1 AND id < $2 AND by_id = $4 AND ($5 = '' OR project_id = $5) AND ($6 = '' OR action = $6)
ORDER BY id DESC LIMIT $3

-- name: AddEvent
INSERT INTO events ({event}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
