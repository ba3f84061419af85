-- The first schema. PostgreSQL's says the same in its own words: the columns of a table
-- have the same names and the same order in both.
--
-- Times are microseconds since 1970-01-01 UTC. Flags are 0 or 1. Columns that are said
-- to be JSON hold it as text, and nothing looks into it. An identifier that may be
-- missing is NULL where it is a foreign key, and '' where it is only remembered.

-- Organizations and users share one space of names.
CREATE TABLE owners (
  id   TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('organization', 'user')),
  CONSTRAINT owners_name UNIQUE (name)
) STRICT, WITHOUT ROWID;

CREATE TABLE organizations (
  id              TEXT    NOT NULL PRIMARY KEY REFERENCES owners (id),
  forbid_personal INTEGER NOT NULL,
  created         INTEGER NOT NULL,
  revision        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
  id       TEXT    NOT NULL PRIMARY KEY REFERENCES owners (id),
  email    TEXT    NOT NULL,
  password TEXT    NOT NULL,
  created  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
  organization_id TEXT    NOT NULL REFERENCES organizations (id),
  user_id         TEXT    NOT NULL REFERENCES users (id),
  role            TEXT    NOT NULL,
  since           INTEGER NOT NULL,
  PRIMARY KEY (organization_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_of_user ON members (user_id, organization_id);

CREATE TABLE workers (
  id              TEXT    NOT NULL PRIMARY KEY,
  organization_id TEXT    NOT NULL, -- '' is a worker for everybody
  name            TEXT    NOT NULL,
  created         INTEGER NOT NULL,
  last_seen       INTEGER,
  engine          TEXT    NOT NULL,
  platform        TEXT    NOT NULL,
  version         TEXT    NOT NULL,
  CONSTRAINT workers_name UNIQUE (organization_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
  id              TEXT    NOT NULL PRIMARY KEY,
  kind            TEXT    NOT NULL,
  name            TEXT    NOT NULL,
  hash            BLOB    NOT NULL,
  user_id         TEXT    REFERENCES users (id),
  worker_id       TEXT    REFERENCES workers (id) ON DELETE CASCADE,
  organization_id TEXT    REFERENCES organizations (id),
  scopes          TEXT,   -- JSON; NULL is no limit, [] is no action
  created         INTEGER NOT NULL,
  expires         INTEGER,
  last_used       INTEGER,
  CONSTRAINT tokens_hash UNIQUE (hash)
) STRICT;
CREATE INDEX tokens_of_user ON tokens (user_id, created, id);
CREATE INDEX tokens_of_worker ON tokens (worker_id);
CREATE INDEX tokens_by_end ON tokens (expires) WHERE expires IS NOT NULL;

CREATE TABLE projects (
  id       TEXT    NOT NULL PRIMARY KEY,
  owner_id TEXT    NOT NULL REFERENCES owners (id),
  name     TEXT    NOT NULL,
  created  INTEGER NOT NULL,
  runs     INTEGER NOT NULL, -- the number of the last run
  CONSTRAINT projects_name UNIQUE (owner_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE connectors (
  organization_id TEXT    NOT NULL REFERENCES organizations (id),
  id              TEXT    NOT NULL,
  name            TEXT    NOT NULL,
  family          TEXT    NOT NULL,
  method          TEXT    NOT NULL,
  public          TEXT    NOT NULL, -- JSON
  version         INTEGER NOT NULL,
  expires         INTEGER,
  created         INTEGER NOT NULL,
  updated         INTEGER NOT NULL,
  PRIMARY KEY (organization_id, id),
  CONSTRAINT connectors_name UNIQUE (organization_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE sealed_fields (
  organization_id TEXT    NOT NULL,
  connector_id    TEXT    NOT NULL,
  field           TEXT    NOT NULL,
  version         INTEGER NOT NULL,
  sealed          BLOB    NOT NULL,
  PRIMARY KEY (organization_id, connector_id, field),
  FOREIGN KEY (organization_id, connector_id) REFERENCES connectors (organization_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE registries (
  organization_id TEXT    NOT NULL REFERENCES organizations (id),
  id              TEXT    NOT NULL,
  name            TEXT    NOT NULL,
  pattern         TEXT    NOT NULL,
  connector_id    TEXT,   -- NULL is anonymous
  disclosure      TEXT    NOT NULL,
  plain_http      INTEGER NOT NULL,
  ca_bundle       TEXT    NOT NULL,
  version         INTEGER NOT NULL,
  created         INTEGER NOT NULL,
  updated         INTEGER NOT NULL,
  PRIMARY KEY (organization_id, id),
  CONSTRAINT registries_name UNIQUE (organization_id, name),
  CONSTRAINT registries_pattern UNIQUE (organization_id, pattern),
  FOREIGN KEY (organization_id, connector_id) REFERENCES connectors (organization_id, id)
) STRICT;
CREATE INDEX registries_of_connector ON registries (organization_id, connector_id, name);

CREATE TABLE wrapped_keys (
  organization_id TEXT    NOT NULL PRIMARY KEY REFERENCES organizations (id),
  kek             TEXT    NOT NULL,
  wrapped         BLOB    NOT NULL,
  version         INTEGER NOT NULL
) STRICT;

CREATE TABLE archives (
  project_id TEXT    NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  digest     TEXT    NOT NULL,
  size       INTEGER NOT NULL,
  at         INTEGER NOT NULL,
  PRIMARY KEY (project_id, digest)
) STRICT, WITHOUT ROWID;

-- until is set exactly while a worker holds the run.
CREATE TABLE runs (
  id              TEXT    NOT NULL PRIMARY KEY,
  project_id      TEXT    NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  number          INTEGER NOT NULL,
  organization_id TEXT    NOT NULL, -- '' is a personal project's
  state           TEXT    NOT NULL,
  spec            TEXT    NOT NULL, -- JSON
  archive         TEXT    NOT NULL,
  creator         TEXT    NOT NULL, -- JSON
  created         INTEGER NOT NULL,
  claimed         INTEGER,
  began           INTEGER,
  ended           INTEGER,
  pulled          TEXT,   -- JSON
  exit_code       INTEGER,
  failure         TEXT,   -- JSON
  progress        TEXT,   -- JSON
  worker_id       TEXT    NOT NULL,
  worker_name     TEXT    NOT NULL,
  engine          TEXT    NOT NULL,
  attempt         INTEGER NOT NULL,
  fence           INTEGER NOT NULL,
  until           INTEGER,
  stop_by         TEXT,   -- JSON
  CONSTRAINT runs_number UNIQUE (project_id, number)
) STRICT;
CREATE INDEX runs_queued ON runs (created, id) WHERE state = 'queued';
CREATE INDEX runs_queued_of ON runs (organization_id, created, id) WHERE state = 'queued';
CREATE INDEX runs_held ON runs (until) WHERE until IS NOT NULL;

CREATE TABLE outputs (
  run_id TEXT    NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  name   TEXT    NOT NULL,
  digest TEXT    NOT NULL,
  size   INTEGER NOT NULL,
  PRIMARY KEY (run_id, name)
) STRICT, WITHOUT ROWID;

-- A row holds the lines first..last of a run's log, as internal/sqlstore packs them.
CREATE TABLE log_chunks (
  run_id TEXT    NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  first  INTEGER NOT NULL,
  last   INTEGER NOT NULL,
  lines  BLOB    NOT NULL,
  PRIMARY KEY (run_id, first)
) STRICT;

-- Events outlive what they tell of: they have no foreign keys.
CREATE TABLE events (
  id              TEXT    NOT NULL,
  at              INTEGER NOT NULL,
  organization_id TEXT    NOT NULL,
  project_id      TEXT    NOT NULL,
  by_kind         TEXT    NOT NULL,
  by_id           TEXT    NOT NULL,
  by_name         TEXT    NOT NULL,
  from_address    TEXT    NOT NULL,
  request         TEXT    NOT NULL,
  action          TEXT    NOT NULL,
  on_kind         TEXT    NOT NULL,
  on_id           TEXT    NOT NULL,
  on_name         TEXT    NOT NULL,
  allowed         INTEGER NOT NULL,
  detail          TEXT    NOT NULL, -- JSON
  PRIMARY KEY (organization_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX events_of_project ON events (organization_id, project_id, id);
CREATE INDEX events_of_action ON events (organization_id, action, id);
CREATE INDEX events_of_subject ON events (organization_id, by_id, id);

-- This says that the file is Fairlead's.
PRAGMA application_id = 0x464c4452; -- FLDR
