-- Which of several servers does what one is enough for.
CREATE TABLE duties (
  name    text COLLATE "C" NOT NULL PRIMARY KEY,
  holder  text             NOT NULL,
  address text             NOT NULL,
  until   bigint           NOT NULL
);
CREATE INDEX duties_by_age ON duties (until);

-- The blobs in the store that servers share.
CREATE TABLE deposits (
  digest text COLLATE "C" NOT NULL PRIMARY KEY,
  size   bigint           NOT NULL,
  sums   bytea            NOT NULL,
  whole  boolean          NOT NULL,
  used   bigint           NOT NULL
);
CREATE INDEX deposits_by_use ON deposits (used, digest) INCLUDE (size, whole);
