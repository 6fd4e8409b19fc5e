-- A keyed hash of the refresh token, by which a second import of it is found.
-- Rows of version 1 get theirs when the vault is opened, which takes the key.
ALTER TABLE tokens ADD COLUMN refresh_token_hash BLOB; -- HMAC-SHA-256

CREATE INDEX tokens_by_refresh_token ON tokens (owner, refresh_token_hash)
    WHERE refresh_token_hash IS NOT NULL;

-- A flow is opened in one browser: when a second caller was told to open one,
-- since no redirect had come.
ALTER TABLE flows ADD COLUMN second_opening_at INTEGER;
