-- Which of several servers does what one is enough for.
CREATE TABLE duties (
  name    TEXT    NOT NULL PRIMARY KEY,
  holder  TEXT    NOT NULL,
  address TEXT    NOT NULL,
  until   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX duties_by_age ON duties (until);

-- The blobs in the store that servers share.
CREATE TABLE deposits (
  digest TEXT    NOT NULL PRIMARY KEY,
  size   INTEGER NOT NULL,
  sums   BLOB    NOT NULL,
  whole  INTEGER NOT NULL,
  used   INTEGER NOT NULL
) STRICT;
CREATE INDEX deposits_by_use ON deposits (used, digest, size, whole);
