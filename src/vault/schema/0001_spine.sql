-- Every key starts with the owner's uid. Times are milliseconds since 1970,
-- lists and objects are JSON. `seq` gives lists a stable order.

CREATE TABLE vault (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    id TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- Which keys seal rows of this vault. `check_value` is a known text sealed with the
-- key, so that a wrong key and a corrupt row are told apart.
CREATE TABLE keys (
    key_id TEXT PRIMARY KEY,
    check_value TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE providers (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    owner INTEGER NOT NULL,
    provider_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    client_id TEXT NOT NULL,
    key_id TEXT NOT NULL REFERENCES keys,
    client_secret TEXT, -- sealed
    auth_method TEXT NOT NULL,
    is_dynamic INTEGER NOT NULL,
    authorization_url TEXT NOT NULL,
    token_url TEXT NOT NULL,
    revocation_url TEXT,
    issuer TEXT,
    sends_iss INTEGER NOT NULL,
    pkce TEXT NOT NULL,
    kind TEXT,
    authorization_params TEXT NOT NULL,
    allowed_redirect_uris TEXT NOT NULL,
    mcp_server_url TEXT,
    resource TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (owner, provider_id)
) STRICT;

-- A token names its provider without a foreign key: the provider may be the
-- platform's, which is not in this file.
CREATE TABLE tokens (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    owner INTEGER NOT NULL,
    id TEXT NOT NULL,
    source TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    token_url TEXT NOT NULL,
    user_id TEXT NOT NULL,
    agent_id TEXT,
    account_label TEXT, -- the provider's name for the account
    own_label TEXT, -- a person's, where they gave one
    key_id TEXT NOT NULL REFERENCES keys,
    access_token TEXT NOT NULL, -- sealed
    refresh_token TEXT, -- sealed
    token_type TEXT NOT NULL,
    granted TEXT NOT NULL,
    requested TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER,
    is_default INTEGER NOT NULL,
    person_needed TEXT, -- why only a person can renew the grant; null while it stands
    generation INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    refreshed_at INTEGER,
    last_error TEXT, -- why the refresh after that did not succeed
    last_error_at INTEGER,
    retry_at INTEGER,
    used_at INTEGER,
    UNIQUE (owner, id)
) STRICT;

CREATE INDEX tokens_by_user ON tokens (owner, provider_id, user_id);
CREATE UNIQUE INDEX one_default ON tokens (owner, source, provider_id, user_id) WHERE is_default = 1;

-- A refresh token that is about to be spent. The row is written before the
-- request is sent and goes in the commit that stores the answer.
CREATE TABLE refresh_attempts (
    owner INTEGER NOT NULL,
    token_id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    PRIMARY KEY (owner, token_id),
    FOREIGN KEY (owner, token_id) REFERENCES tokens (owner, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE connections (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    owner INTEGER NOT NULL,
    id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    token_id TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (owner, id),
    UNIQUE (owner, agent_id, token_id),
    FOREIGN KEY (owner, token_id) REFERENCES tokens (owner, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX connections_by_token ON connections (owner, token_id);

CREATE TABLE flows (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    owner INTEGER NOT NULL,
    id TEXT NOT NULL,
    source TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    token_url TEXT NOT NULL,
    user_id TEXT NOT NULL,
    agent_id TEXT,
    purpose TEXT NOT NULL, -- new, renew, connect
    subject TEXT, -- the token that the flow renews in place, or asks the person to share
    requested TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    is_default INTEGER NOT NULL,
    is_shareable INTEGER NOT NULL, -- whether the same question is answered with this flow again
    state_hash BLOB NOT NULL UNIQUE, -- SHA-256
    key_id TEXT NOT NULL REFERENCES keys,
    state TEXT NOT NULL, -- sealed
    verifier TEXT, -- sealed
    form_hash BLOB, -- SHA-256 of the token in the consent form that was shown last
    status TEXT NOT NULL, -- pending, exchanging, completed, failed
    error TEXT,
    error_description TEXT,
    token_id TEXT, -- the token it ended with
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    finished_at INTEGER,
    UNIQUE (owner, id)
) STRICT;

CREATE INDEX flows_pending ON flows (owner, provider_id, user_id) WHERE status = 'pending';

CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    owner INTEGER NOT NULL,
    id TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    agent_id TEXT,
    token_id TEXT,
    event_type TEXT NOT NULL,
    reason TEXT,
    source TEXT,
    account_label TEXT,
    scopes TEXT NOT NULL,
    detail TEXT,
    acknowledged_at INTEGER,
    created_at INTEGER NOT NULL,
    UNIQUE (owner, id)
) STRICT;

CREATE INDEX events_by_owner ON events (owner, seq);
