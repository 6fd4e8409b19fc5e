BEGIN TRANSACTION;
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
INSERT INTO "events" VALUES(1,0,'7de56f62-1155-47c1-be1e-e1c73c0f1753','strict',NULL,'b6bc54eb-e8bf-43ff-b3a4-9cfa79459018','imported','imported','api',NULL,'["read"]','{}',NULL,1795197374888);
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
INSERT INTO "flows" VALUES(1,0,'7e5e8955-ccf0-47bf-b728-077b86ecf363','owner','strict','client','https://auth.example/token','root',NULL,'new',NULL,'["read"]','http://127.0.0.1:34975/host-oauth-callback/strict',1,0,X'1794DB43542265DD44C822B2290019133E336446ABC024A236EFD3EFC1962741','814cbc97ee6b1893','gAAAAABrAIm-8Yd6GxG0zt6yZmvqbv81vqMiARapo97QzimeRxvIMSXf_yoOalIxZrYiG9I5VWZ7MZ7-ixiJIpSxkH54XAW5D1YunHk0a_WMN6DrDQPiz1C1d1c52kNIRNydap0kG2YjzmscREAk7VSCH_Syj8fW6IPzYEY1iUcOsUMHlTHyENqu8Xf2vEh-W8YIJ6mlJc_stSBZJ51WIK7_LSOS3PbMTOvb9k2SdulP2udnIH21g3hZDdsVRB51qqSujDHW26fR6uwOgtURV24pPUIZZxTfkQ==','gAAAAABrAIm-CBPr4VGfeZWGNDYOLBzcbzpmQF7FivNxXE4diuOCAR7S5Mx2P7q_Nz9Q7iEIhI1ScCIw8NFb4M1QDFvI6Ap-LQNamekI4r3ybDUrGT-6pFtLo35gkpMC3QFEDBGd1t1EcP7KRCbFG8xWOPf3IBepXTzJKBKwiUToEUsuzADqJUioHubnzuZdFdUX8jmStJNvIIXrEelwFW_gBWNhg89cQwm_fKFEVjrP6-4GLaRSu1_27OIwf-AHuHSwqUDjf0YZyPOY9mnWZEI5Yfb07gIXaA==',NULL,'pending',NULL,NULL,NULL,1795197374928,1795197974928,NULL);
CREATE TABLE keys (
    key_id TEXT PRIMARY KEY,
    check_value TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO "keys" VALUES('814cbc97ee6b1893','gAAAAABrAIm-UiAXulObmDhQ196wB-vmhjx-9LlSqn1MJgZIL2EVxhIoouCml44zveV1BeKvss7zyZwtzFC2XJz1rObnQWi6HbOKtjJMtDVO0MyII78JB3STQ5w27UyCr-axVZEpyllKc0lzjO3wKYWNQVnDGocRMv9kHFjroIAnbwVglW1tDOQy6Zo4-52hzbVBCi4J4C2K',1795197374635);
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
INSERT INTO "providers" VALUES(1,0,'strict','d91383b7-7992-4f46-acac-20017f2a557c','Released','client','814cbc97ee6b1893','gAAAAABrAIm-DdZ-x-UAHKnsNzVOY4Zsdw3G5q97mDBeiMBb1Zx5xgY3Zhd1UxQn3cU4r0xDWoLTEkzU1ShDuUDb0Q9r-i466E8y6lUixfmIS8Ykzfl0mwuvXLAO3rdX2I0gWKwWA_jAO9RI3ex36XXBe_-qsCoYpg1jNwPgeEON2c7hCHoTn-k9XkMwM_Nw2M1TXAALqaB5JU58xFeVKLV_p-VBbqCpKLr9OHMK08GpM7G9PepJGhc=','client_secret_post',0,'https://auth.example/authorize','https://auth.example/token',NULL,NULL,0,'S256',NULL,'{}','[]',NULL,NULL,1795197374851,1795197374851);
CREATE TABLE refresh_attempts (
    owner INTEGER NOT NULL,
    token_id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    PRIMARY KEY (owner, token_id),
    FOREIGN KEY (owner, token_id) REFERENCES tokens (owner, id) ON DELETE CASCADE
) STRICT;
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
INSERT INTO "tokens" VALUES(1,0,'b6bc54eb-e8bf-43ff-b3a4-9cfa79459018','owner','strict','client','https://auth.example/token','root',NULL,NULL,NULL,'814cbc97ee6b1893','gAAAAABrAIm-7-v9mwP1gSGgrRoxiDbWd83m9Ul3G2WNSR0Sx5lQFPlTXxAkAvLLyyGg77NY_Bt9zl9DGkY4x8Fv76UmUj4E7khIvlnB54eD0QNh1jTRUh95wkQfxG8i26rLFbsAnu7EUfENi9OEjT9la9Ewn6EPmIJkr6CHwnwcIXxswyzm7iwckG2av0x7T9pbfCpLcky2BOyhwE8vSHhC8XAf0h_WGeyysNmTO8HwlzBMWIBifSUAS_00kTVrxPCJ9FYGsUs-','gAAAAABrAIm-4hvujV1-gHdUHsTVXkkGRbzwX0gZMhtyyf67k035qcFakQ0b1IJi1MNRh5ZbpfBYaFxrPwCewpxMYu8f9njuZjkQqkYxeXIhYIHJGDefj0Ws3ZWCZwoqlrfraqlgGE5ki20WBUuzlayiDabGw7cGn8AGgq94xC2BmlGK2Oud0EqgaE5FZfJ_SAgcXhHiPWgt4i8G-mI1B-qIGinXr_uB7WY7qjdJ3ZjMLzrovsipU3OV8Eogeu1skTNtofroGKL4','Bearer','["read"]','["read"]',1795197374888,NULL,1,NULL,1,'{}',1795197374888,1795197374888,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE vault (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    id TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO "vault" VALUES(1,'6e110f51-2991-45da-b9cc-edc787033a4e',1795197374619);
CREATE INDEX tokens_by_user ON tokens (owner, provider_id, user_id);
CREATE UNIQUE INDEX one_default ON tokens (owner, source, provider_id, user_id) WHERE is_default = 1;
CREATE INDEX connections_by_token ON connections (owner, token_id);
CREATE INDEX flows_pending ON flows (owner, provider_id, user_id) WHERE status = 'pending';
CREATE INDEX events_by_owner ON events (owner, seq);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('providers',1);
INSERT INTO "sqlite_sequence" VALUES('tokens',1);
INSERT INTO "sqlite_sequence" VALUES('events',1);
INSERT INTO "sqlite_sequence" VALUES('flows',1);
COMMIT;
PRAGMA user_version = 1;
