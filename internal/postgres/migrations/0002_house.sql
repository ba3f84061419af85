-- Secrets of the house itself, sealed with the key-encryption key.
CREATE TABLE house_secrets (
  name    text COLLATE "C" NOT NULL PRIMARY KEY,
  kek     text COLLATE "C" NOT NULL,
  sealed  bytea            NOT NULL,
  version bigint           NOT NULL
);
