-- What was found on the way of a run's pull; JSON.
ALTER TABLE runs ADD COLUMN diagnosis text;

-- Ways to registries that workers are asked to look at, for minutes. endpoint and sight
-- are JSON.
CREATE TABLE lookouts (
  id        text COLLATE "C" NOT NULL PRIMARY KEY,
  worker_id text COLLATE "C" NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
  endpoint  text             NOT NULL,
  asked     bigint           NOT NULL,
  taken     bigint           NOT NULL DEFAULT 0,
  sight     text
);
CREATE INDEX lookouts_of ON lookouts (worker_id, taken, asked, id);
CREATE INDEX lookouts_by_age ON lookouts (asked);
