-- The account's identifier at its provider; null until the provider has given
-- it.
ALTER TABLE tokens ADD COLUMN issuer TEXT;
ALTER TABLE tokens ADD COLUMN subject TEXT;

-- The keyed hash of the refresh token, by which a second import of it is found.
-- Rows of version 1 get theirs when the vault is opened, because that needs the
-- key.
ALTER TABLE tokens ADD COLUMN refresh_token_hash BLOB; -- HMAC-SHA-256

CREATE INDEX tokens_by_refresh_token ON tokens (owner, refresh_token_hash)
    WHERE refresh_token_hash IS NOT NULL;

-- When a second caller was told to open a browser for the flow, because no
-- redirect had arrived. At most one is.
ALTER TABLE flows ADD COLUMN second_opening_at INTEGER;

-- An agent's permission is for the scopes that were shown when it was given. A
-- permission of version 1 is for all scopes that the token has at the upgrade.
ALTER TABLE connections ADD COLUMN scopes TEXT NOT NULL DEFAULT '[]';

UPDATE connections SET scopes = (
    SELECT json_group_array(scope) FROM (
        SELECT asked.value AS scope FROM tokens t, json_each(t.requested) asked
        WHERE t.owner = connections.owner AND t.id = connections.token_id
        UNION
        SELECT given.value FROM tokens t, json_each(t.granted) given
        WHERE t.owner = connections.owner AND t.id = connections.token_id
    )
);

-- What the form that was shown last offers, as JSON: scopes by token or by
-- agent. Its answer permits no more than that.
ALTER TABLE flows ADD COLUMN form_offer TEXT;
