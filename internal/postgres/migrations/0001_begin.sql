-- The first schema. SQLite's says the same in its own words: the columns of a table have
-- the same names and the same order in both. Text is ordered by its bytes, as there.
--
-- Times are microseconds since 1970-01-01 UTC (to_timestamp(created / 1e6) shows them).
-- Columns that are said to be JSON hold it as text, and nothing looks into it. An
-- identifier that may be missing is NULL where it is a foreign key, and '' where it is
-- only remembered.

-- Organizations and users share one space of names.
CREATE TABLE owners (
  id   text COLLATE "C" NOT NULL PRIMARY KEY,
  name text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('organization', 'user')),
  CONSTRAINT owners_name UNIQUE (name)
);

CREATE TABLE organizations (
  id              text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES owners (id),
  forbid_personal boolean          NOT NULL,
  created         bigint           NOT NULL,
  revision        bigint           NOT NULL
);

CREATE TABLE users (
  id       text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES owners (id),
  email    text COLLATE "C" NOT NULL,
  password text COLLATE "C" NOT NULL,
  created  bigint           NOT NULL
);

CREATE TABLE members (
  organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id),
  user_id         text COLLATE "C" NOT NULL REFERENCES users (id),
  role            text COLLATE "C" NOT NULL,
  since           bigint           NOT NULL,
  PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX members_of_user ON members (user_id, organization_id);

CREATE TABLE workers (
  id              text COLLATE "C" NOT NULL PRIMARY KEY,
  organization_id text COLLATE "C" NOT NULL, -- '' is a worker for everybody
  name            text COLLATE "C" NOT NULL,
  created         bigint           NOT NULL,
  last_seen       bigint,
  engine          text COLLATE "C" NOT NULL,
  platform        text COLLATE "C" NOT NULL,
  version         text COLLATE "C" NOT NULL,
  CONSTRAINT workers_name UNIQUE (organization_id, name)
);

CREATE TABLE tokens (
  id              text COLLATE "C" NOT NULL PRIMARY KEY,
  kind            text COLLATE "C" NOT NULL,
  name            text COLLATE "C" NOT NULL,
  hash            bytea            NOT NULL,
  user_id         text COLLATE "C" REFERENCES users (id),
  worker_id       text COLLATE "C" REFERENCES workers (id) ON DELETE CASCADE,
  organization_id text COLLATE "C" REFERENCES organizations (id),
  scopes          text COLLATE "C",   -- JSON; NULL is no limit, [] is no action
  created         bigint           NOT NULL,
  expires         bigint,
  last_used       bigint,
  CONSTRAINT tokens_hash UNIQUE (hash)
);
CREATE INDEX tokens_of_user ON tokens (user_id, created, id);
CREATE INDEX tokens_of_worker ON tokens (worker_id);
CREATE INDEX tokens_by_end ON tokens (expires) WHERE expires IS NOT NULL;

CREATE TABLE projects (
  id       text COLLATE "C" NOT NULL PRIMARY KEY,
  owner_id text COLLATE "C" NOT NULL REFERENCES owners (id),
  name     text COLLATE "C" NOT NULL,
  created  bigint           NOT NULL,
  runs     bigint           NOT NULL, -- the number of the last run
  CONSTRAINT projects_name UNIQUE (owner_id, name)
);

CREATE TABLE connectors (
  organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id),
  id              text COLLATE "C" NOT NULL,
  name            text COLLATE "C" NOT NULL,
  family          text COLLATE "C" NOT NULL,
  method          text COLLATE "C" NOT NULL,
  public          text COLLATE "C" NOT NULL, -- JSON
  version         bigint           NOT NULL,
  expires         bigint,
  created         bigint           NOT NULL,
  updated         bigint           NOT NULL,
  PRIMARY KEY (organization_id, id),
  CONSTRAINT connectors_name UNIQUE (organization_id, name)
);

CREATE TABLE sealed_fields (
  organization_id text COLLATE "C" NOT NULL,
  connector_id    text COLLATE "C" NOT NULL,
  field           text COLLATE "C" NOT NULL,
  version         bigint           NOT NULL,
  sealed          bytea            NOT NULL,
  PRIMARY KEY (organization_id, connector_id, field),
  FOREIGN KEY (organization_id, connector_id) REFERENCES connectors (organization_id, id) ON DELETE CASCADE
);

CREATE TABLE registries (
  organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id),
  id              text COLLATE "C" NOT NULL,
  name            text COLLATE "C" NOT NULL,
  pattern         text COLLATE "C" NOT NULL,
  connector_id    text COLLATE "C",   -- NULL is anonymous
  disclosure      text COLLATE "C" NOT NULL,
  plain_http      boolean          NOT NULL,
  ca_bundle       text COLLATE "C" NOT NULL,
  version         bigint           NOT NULL,
  created         bigint           NOT NULL,
  updated         bigint           NOT NULL,
  PRIMARY KEY (organization_id, id),
  CONSTRAINT registries_name UNIQUE (organization_id, name),
  CONSTRAINT registries_pattern UNIQUE (organization_id, pattern),
  FOREIGN KEY (organization_id, connector_id) REFERENCES connectors (organization_id, id)
);
CREATE INDEX registries_of_connector ON registries (organization_id, connector_id, name);

CREATE TABLE wrapped_keys (
  organization_id text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES organizations (id),
  kek             text COLLATE "C" NOT NULL,
  wrapped         bytea            NOT NULL,
  version         bigint           NOT NULL
);

CREATE TABLE archives (
  project_id text COLLATE "C" NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  digest     text COLLATE "C" NOT NULL,
  size       bigint           NOT NULL,
  at         bigint           NOT NULL,
  PRIMARY KEY (project_id, digest)
);

-- until is set exactly while a worker holds the run.
CREATE TABLE runs (
  id              text COLLATE "C" NOT NULL PRIMARY KEY,
  project_id      text COLLATE "C" NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  number          bigint           NOT NULL,
  organization_id text COLLATE "C" NOT NULL, -- '' is a personal project's
  state           text COLLATE "C" NOT NULL,
  spec            text COLLATE "C" NOT NULL, -- JSON
  archive         text COLLATE "C" NOT NULL,
  creator         text COLLATE "C" NOT NULL, -- JSON
  created         bigint           NOT NULL,
  claimed         bigint,
  began           bigint,
  ended           bigint,
  pulled          text COLLATE "C",   -- JSON
  exit_code       bigint,
  failure         text COLLATE "C",   -- JSON
  progress        text COLLATE "C",   -- JSON
  worker_id       text COLLATE "C" NOT NULL,
  worker_name     text COLLATE "C" NOT NULL,
  engine          text COLLATE "C" NOT NULL,
  attempt         bigint           NOT NULL,
  fence           bigint           NOT NULL,
  until           bigint,
  stop_by         text COLLATE "C",   -- JSON
  CONSTRAINT runs_number UNIQUE (project_id, number)
);
CREATE INDEX runs_queued ON runs (created, id) WHERE state = 'queued';
CREATE INDEX runs_queued_of ON runs (organization_id, created, id) WHERE state = 'queued';
CREATE INDEX runs_held ON runs (until) WHERE until IS NOT NULL;

CREATE TABLE outputs (
  run_id text COLLATE "C" NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  name   text COLLATE "C" NOT NULL,
  digest text COLLATE "C" NOT NULL,
  size   bigint           NOT NULL,
  PRIMARY KEY (run_id, name)
);

-- A row holds the lines first..last of a run's log, as internal/sqlstore packs them.
CREATE TABLE log_chunks (
  run_id text COLLATE "C" NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  first  bigint           NOT NULL,
  last   bigint           NOT NULL,
  lines  bytea            NOT NULL,
  PRIMARY KEY (run_id, first)
);

-- Events outlive what they tell of: they have no foreign keys.
CREATE TABLE events (
  id              text COLLATE "C" NOT NULL,
  at              bigint           NOT NULL,
  organization_id text COLLATE "C" NOT NULL,
  project_id      text COLLATE "C" NOT NULL,
  by_kind         text COLLATE "C" NOT NULL,
  by_id           text COLLATE "C" NOT NULL,
  by_name         text COLLATE "C" NOT NULL,
  from_address    text COLLATE "C" NOT NULL,
  request         text COLLATE "C" NOT NULL,
  action          text COLLATE "C" NOT NULL,
  on_kind         text COLLATE "C" NOT NULL,
  on_id           text COLLATE "C" NOT NULL,
  on_name         text COLLATE "C" NOT NULL,
  allowed         boolean          NOT NULL,
  detail          text COLLATE "C" NOT NULL, -- JSON
  PRIMARY KEY (organization_id, id)
);
CREATE INDEX events_of_project ON events (organization_id, project_id, id);
CREATE INDEX events_of_action ON events (organization_id, action, id);
CREATE INDEX events_of_subject ON events (organization_id, by_id, id);

-- The number of the last step that was done, kept by who does them.
CREATE TABLE fairlead_schema (version bigint NOT NULL);
INSERT INTO fairlead_schema (version) VALUES (0);
