-- Secrets of the house itself, sealed with the key-encryption key.
CREATE TABLE house_secrets (
  name    TEXT    NOT NULL PRIMARY KEY,
  kek     TEXT    NOT NULL,
  sealed  BLOB    NOT NULL,
  version INTEGER NOT NULL
) STRICT;
