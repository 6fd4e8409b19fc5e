-- Whether a person said that a login came back with another account than the one
-- that it was to renew. The question is then asked no more.
ALTER TABLE flows ADD COLUMN is_other_account INTEGER NOT NULL DEFAULT 0;
