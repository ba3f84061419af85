-- Events are looked for by what they were done to, and by having been denied.
CREATE INDEX events_of_object ON events (organization_id, on_kind, on_name, id);
CREATE INDEX events_denied ON events (organization_id, id) WHERE NOT allowed;
