-- What connectors were before their secrets were rotated.
CREATE TABLE connector_previous (
  organization_id text COLLATE "C" NOT NULL,
  connector_id    text COLLATE "C" NOT NULL,
  method          text COLLATE "C" NOT NULL,
  public          text COLLATE "C" NOT NULL, -- JSON
  expires         bigint,
  replaced        bigint           NOT NULL,
  until           bigint           NOT NULL,
  PRIMARY KEY (organization_id, connector_id),
  FOREIGN KEY (organization_id, connector_id) REFERENCES connectors (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX connector_previous_until ON connector_previous (until);

CREATE TABLE previous_fields (
  organization_id text COLLATE "C" NOT NULL,
  connector_id    text COLLATE "C" NOT NULL,
  field           text COLLATE "C" NOT NULL,
  version         bigint           NOT NULL,
  sealed          bytea            NOT NULL,
  PRIMARY KEY (organization_id, connector_id, field),
  FOREIGN KEY (organization_id, connector_id) REFERENCES connector_previous (organization_id, connector_id) ON DELETE CASCADE
);

-- How connectors do, and when they are tried next.
CREATE TABLE connector_health (
  organization_id text COLLATE "C" NOT NULL,
  connector_id    text COLLATE "C" NOT NULL,
  version         bigint           NOT NULL, -- of the connector that was tried
  verdict         text COLLATE "C" NOT NULL,
  state           text COLLATE "C" NOT NULL,
  checked         bigint,
  why             text COLLATE "C" NOT NULL,
  used            bigint,
  due             bigint           NOT NULL,
  PRIMARY KEY (organization_id, connector_id),
  FOREIGN KEY (organization_id, connector_id) REFERENCES connectors (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX connector_health_due ON connector_health (due);
INSERT INTO connector_health (organization_id, connector_id, version, verdict, state, why, due)
SELECT organization_id, id, 0, 'unverified', 'unverified', '', updated FROM connectors;

-- For whom connectors were used.
CREATE TABLE connector_uses (
  organization_id text COLLATE "C" NOT NULL,
  connector_id    text COLLATE "C" NOT NULL,
  project_id      text COLLATE "C" NOT NULL,
  run_id          text COLLATE "C" NOT NULL, -- '' is a pull without a run
  at              bigint           NOT NULL,
  PRIMARY KEY (organization_id, connector_id, project_id, run_id),
  FOREIGN KEY (organization_id, connector_id) REFERENCES connectors (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX connector_uses_at ON connector_uses (organization_id, connector_id, at);
CREATE INDEX connector_uses_old ON connector_uses (at);

CREATE TABLE webhooks (
  organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id),
  id              text COLLATE "C" NOT NULL,
  name            text COLLATE "C" NOT NULL,
  url             text COLLATE "C" NOT NULL,
  events          text COLLATE "C" NOT NULL, -- JSON
  sealed          bytea            NOT NULL,
  created         bigint           NOT NULL,
  PRIMARY KEY (organization_id, id),
  CONSTRAINT webhooks_name UNIQUE (organization_id, name)
);

-- Which webhooks are told of an action.
CREATE TABLE webhook_actions (
  organization_id text COLLATE "C" NOT NULL,
  action          text COLLATE "C" NOT NULL,
  webhook_id      text COLLATE "C" NOT NULL,
  PRIMARY KEY (organization_id, action, webhook_id),
  FOREIGN KEY (organization_id, webhook_id) REFERENCES webhooks (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX webhook_actions_of ON webhook_actions (organization_id, webhook_id);

-- What is, or was, on its way to webhooks.
CREATE TABLE webhook_deliveries (
  organization_id text COLLATE "C" NOT NULL,
  webhook_id      text COLLATE "C" NOT NULL,
  event_id        text COLLATE "C" NOT NULL,
  action          text COLLATE "C" NOT NULL,
  created         bigint           NOT NULL,
  attempts        bigint           NOT NULL,
  next            bigint, -- NULL when it is over
  ended           bigint,
  delivered       boolean          NOT NULL,
  error           text COLLATE "C" NOT NULL,
  PRIMARY KEY (organization_id, webhook_id, event_id),
  FOREIGN KEY (organization_id, webhook_id) REFERENCES webhooks (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX webhook_deliveries_next ON webhook_deliveries (next) WHERE next IS NOT NULL;
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended) WHERE ended IS NOT NULL;
