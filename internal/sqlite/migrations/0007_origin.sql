-- Which upstream hosts the gateway has had a blob from, and which have given all of it.
CREATE TABLE origins (
  digest TEXT    NOT NULL,
  host   TEXT    NOT NULL,
  whole  INTEGER NOT NULL,
  since  INTEGER NOT NULL,
  PRIMARY KEY (digest, host)
) STRICT, WITHOUT ROWID;
