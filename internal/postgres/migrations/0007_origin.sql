-- Which upstream hosts the gateway has had a blob from, and which have given all of it.
CREATE TABLE origins (
  digest text COLLATE "C" NOT NULL,
  host   text COLLATE "C" NOT NULL,
  whole  boolean          NOT NULL,
  since  bigint           NOT NULL,
  PRIMARY KEY (digest, host)
);
