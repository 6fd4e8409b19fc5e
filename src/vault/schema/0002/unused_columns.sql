-- A column of version 1 that no version has stored anything in.
ALTER TABLE events DROP COLUMN acknowledged_at;
