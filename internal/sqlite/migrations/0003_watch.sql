-- What connectors were before their secrets were rotated.
CREATE TABLE connector_previous (
  organization_id TEXT    NOT NULL,
  connector_id    TEXT    NOT NULL,
  method          TEXT    NOT NULL,
  public          TEXT    NOT NULL, -- JSON
  expires         INTEGER,
  replaced        INTEGER NOT NULL,
  until           INTEGER NOT NULL,
  PRIMARY KEY (organization_id, connector_id),
  FOREIGN KEY (organization_id, connector_id) REFERENCES connectors (organization_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX connector_previous_until ON connector_previous (until);

CREATE TABLE previous_fields (
  organization_id TEXT    NOT NULL,
  connector_id    TEXT    NOT NULL,
  field           TEXT    NOT NULL,
  version         INTEGER NOT NULL,
  sealed          BLOB    NOT NULL,
  PRIMARY KEY (organization_id, connector_id, field),
  FOREIGN KEY (organization_id, connector_id) REFERENCES connector_previous (organization_id, connector_id) ON DELETE CASCADE
) STRICT;

-- How connectors do, and when they are tried next.
CREATE TABLE connector_health (
  organization_id TEXT    NOT NULL,
  connector_id    TEXT    NOT NULL,
  version         INTEGER NOT NULL, -- of the connector that was tried
  verdict         TEXT    NOT NULL,
  state           TEXT    NOT NULL,
  checked         INTEGER,
  why             TEXT    NOT NULL,
  used            INTEGER,
  due             INTEGER NOT NULL,
  PRIMARY KEY (organization_id, connector_id),
  FOREIGN KEY (organization_id, connector_id) REFERENCES connectors (organization_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX connector_health_due ON connector_health (due);
INSERT INTO connector_health (organization_id, connector_id, version, verdict, state, why, due)
SELECT organization_id, id, 0, 'unverified', 'unverified', '', updated FROM connectors;

-- For whom connectors were used.
CREATE TABLE connector_uses (
  organization_id TEXT    NOT NULL,
  connector_id    TEXT    NOT NULL,
  project_id      TEXT    NOT NULL,
  run_id          TEXT    NOT NULL, -- '' is a pull without a run
  at              INTEGER NOT NULL,
  PRIMARY KEY (organization_id, connector_id, project_id, run_id),
  FOREIGN KEY (organization_id, connector_id) REFERENCES connectors (organization_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX connector_uses_at ON connector_uses (organization_id, connector_id, at);
CREATE INDEX connector_uses_old ON connector_uses (at);

CREATE TABLE webhooks (
  organization_id TEXT    NOT NULL REFERENCES organizations (id),
  id              TEXT    NOT NULL,
  name            TEXT    NOT NULL,
  url             TEXT    NOT NULL,
  events          TEXT    NOT NULL, -- JSON
  sealed          BLOB    NOT NULL,
  created         INTEGER NOT NULL,
  PRIMARY KEY (organization_id, id),
  CONSTRAINT webhooks_name UNIQUE (organization_id, name)
) STRICT;

-- Which webhooks are told of an action.
CREATE TABLE webhook_actions (
  organization_id TEXT NOT NULL,
  action          TEXT NOT NULL,
  webhook_id      TEXT NOT NULL,
  PRIMARY KEY (organization_id, action, webhook_id),
  FOREIGN KEY (organization_id, webhook_id) REFERENCES webhooks (organization_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_actions_of ON webhook_actions (organization_id, webhook_id);

-- What is, or was, on its way to webhooks.
CREATE TABLE webhook_deliveries (
  organization_id TEXT    NOT NULL,
  webhook_id      TEXT    NOT NULL,
  event_id        TEXT    NOT NULL,
  action          TEXT    NOT NULL,
  created         INTEGER NOT NULL,
  attempts        INTEGER NOT NULL,
  next            INTEGER, -- NULL when it is over
  ended           INTEGER,
  delivered       INTEGER NOT NULL,
  error           TEXT    NOT NULL,
  PRIMARY KEY (organization_id, webhook_id, event_id),
  FOREIGN KEY (organization_id, webhook_id) REFERENCES webhooks (organization_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_deliveries_next ON webhook_deliveries (next) WHERE next IS NOT NULL;
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended) WHERE ended IS NOT NULL;
