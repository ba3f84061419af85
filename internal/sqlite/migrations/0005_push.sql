-- Which registries projects may push to. None that is there already: it is an administrator
-- who allows it.
ALTER TABLE registries ADD COLUMN push INTEGER NOT NULL DEFAULT 0;
