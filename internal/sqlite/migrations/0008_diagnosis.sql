-- What was found on the way of a run's pull.
ALTER TABLE runs ADD COLUMN diagnosis TEXT;

-- Ways to registries that workers are asked to look at, for minutes.
CREATE TABLE lookouts (
  id        TEXT    NOT NULL PRIMARY KEY,
  worker_id TEXT    NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
  endpoint  TEXT    NOT NULL,
  asked     INTEGER NOT NULL,
  taken     INTEGER NOT NULL DEFAULT 0,
  sight     TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX lookouts_of ON lookouts (worker_id, taken, asked, id);
CREATE INDEX lookouts_by_age ON lookouts (asked);
