-- Stacks, and which of them a project's runs use. The latter has a table of its own, so
-- that it can have the foreign key that keeps a stack to its organization's projects.
CREATE TABLE stacks (
  organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id),
  id              text COLLATE "C" NOT NULL,
  name            text COLLATE "C" NOT NULL,
  registry_id     text COLLATE "C",   -- NULL is none
  repository      text COLLATE "C" NOT NULL,
  engine          text COLLATE "C" NOT NULL, -- '' is any
  queue           text COLLATE "C" NOT NULL, -- '' is the default one
  version         bigint           NOT NULL,
  created         bigint           NOT NULL,
  updated         bigint           NOT NULL,
  PRIMARY KEY (organization_id, id),
  CONSTRAINT stacks_name UNIQUE (organization_id, name),
  FOREIGN KEY (organization_id, registry_id) REFERENCES registries (organization_id, id)
);
CREATE INDEX stacks_of_registry ON stacks (organization_id, registry_id, name);

CREATE TABLE project_stacks (
  project_id      text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
  organization_id text COLLATE "C" NOT NULL,
  stack_id        text COLLATE "C" NOT NULL,
  FOREIGN KEY (organization_id, stack_id) REFERENCES stacks (organization_id, id)
);
CREATE INDEX project_stacks_of_stack ON project_stacks (organization_id, stack_id, project_id);

-- A lane is queue/engine: runs of one lane can be performed by the same workers.
ALTER TABLE runs ADD COLUMN lane text COLLATE "C" NOT NULL DEFAULT 'default/';
DROP INDEX runs_queued;
DROP INDEX runs_queued_of;
CREATE INDEX runs_queued ON runs (lane, created, id) WHERE state = 'queued';
CREATE INDEX runs_queued_of ON runs (organization_id, lane, created, id) WHERE state = 'queued';

ALTER TABLE workers ADD COLUMN queues text COLLATE "C"; -- JSON; NULL is the default one
