-- Stacks, and which of them a project's runs use. The latter has a table of its own, so
-- that it can have the foreign key that keeps a stack to its organization's projects.
CREATE TABLE stacks (
  organization_id TEXT    NOT NULL REFERENCES organizations (id),
  id              TEXT    NOT NULL,
  name            TEXT    NOT NULL,
  registry_id     TEXT,   -- NULL is none
  repository      TEXT    NOT NULL,
  engine          TEXT    NOT NULL, -- '' is any
  queue           TEXT    NOT NULL, -- '' is the default one
  version         INTEGER NOT NULL,
  created         INTEGER NOT NULL,
  updated         INTEGER NOT NULL,
  PRIMARY KEY (organization_id, id),
  CONSTRAINT stacks_name UNIQUE (organization_id, name),
  FOREIGN KEY (organization_id, registry_id) REFERENCES registries (organization_id, id)
) STRICT;
CREATE INDEX stacks_of_registry ON stacks (organization_id, registry_id, name);

CREATE TABLE project_stacks (
  project_id      TEXT NOT NULL PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
  organization_id TEXT NOT NULL,
  stack_id        TEXT NOT NULL,
  FOREIGN KEY (organization_id, stack_id) REFERENCES stacks (organization_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX project_stacks_of_stack ON project_stacks (organization_id, stack_id, project_id);

-- A lane is queue/engine: runs of one lane can be performed by the same workers.
ALTER TABLE runs ADD COLUMN lane TEXT NOT NULL DEFAULT 'default/';
DROP INDEX runs_queued;
DROP INDEX runs_queued_of;
CREATE INDEX runs_queued ON runs (lane, created, id) WHERE state = 'queued';
CREATE INDEX runs_queued_of ON runs (organization_id, lane, created, id) WHERE state = 'queued';

ALTER TABLE workers ADD COLUMN queues TEXT; -- JSON; NULL is the default one
