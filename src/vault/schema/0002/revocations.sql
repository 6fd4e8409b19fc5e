-- Grants whose tokens were deleted here and that must still be revoked at their
-- providers. A row is written in the change that deletes the token, and deleted
-- in the change that adds the event of the revocation's end. It contains
-- everything that the revocation needs, because the provider may be changed or
-- deleted meanwhile. The addresses and the client are sealed, too: they decide
-- where the tokens are sent, and cannot be changed without the key.
CREATE TABLE revocations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    owner INTEGER NOT NULL,
    id TEXT NOT NULL,
    token_id TEXT,
    source TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    agent_id TEXT,
    account_label TEXT,
    scopes TEXT NOT NULL,
    reason TEXT NOT NULL, -- why the token was deleted
    event_source TEXT NOT NULL,
    key_id TEXT NOT NULL REFERENCES keys,
    client TEXT NOT NULL, -- sealed
    client_secret TEXT, -- sealed
    access_token TEXT NOT NULL, -- sealed
    refresh_token TEXT, -- sealed
    created_at INTEGER NOT NULL,
    UNIQUE (owner, id)
) STRICT;
