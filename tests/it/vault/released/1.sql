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
INSERT INTO "events" VALUES(1,0,'9c668ed0-815b-47d9-b531-a17165e9f0be','strict',NULL,'7922ab67-f9fa-481e-b56b-43c59c903733','imported','imported','api',NULL,'["read"]','{}',NULL,1795197098844);
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
INSERT INTO "flows" VALUES(1,0,'5a7a4a8c-2096-4b3e-84a4-78994fb6631b','owner','strict','client','https://auth.example/token','root',NULL,'new',NULL,'["read"]','http://127.0.0.1:43823/host-oauth-callback/strict',1,0,X'864BBCDFAE972CE60D8AED854DCF4082581865D3EE6D436FD9DB6B167FCFEF62','093230582771c639','gAAAAABrAIiqnuuVlqLFqKNS6zVzVprWQlXIoUcaKe2xqrGL5LfL9W5qNa9xhBjXl2GoyJX67QDnTxyTWjV7jLf0fHzNvcBEfSt_jTM2vf5R8tKaMKK9yhWNIC4rnstI6jWWWyrvk6H-NYcNyJ8t4IWMu_G_UmuALPAl7xJNI6sp7At7B9bhshv8bnpuXsbNg82r9IqSsV1YvUqp3GGOtM0AaDGnl94ZnDK2ycsQlKvm3tq-6amzFFi82cOnsnw6wmWDq55UMU7GCG_zhWgMDYoBHuKm6GKdWA==','gAAAAABrAIiqq12GlRKQby51yi2nlfrfWlzz4bajagjl3-oNxjcVUDM2CnbLMTc7W8_2xXnemGm1f6oEh8MQn1uCPPsO59Zp0G-w9ZBaNNBPADyMqUJBPom-vVgwu3pfDErUfI2hkx7SHTRiI0cTjz_i8QtOJ3UWQ0krLAzNmrbUVO0QE4cN-1gVYlkmuHR_ecZ9SczSElGcutxHQAaZeEpFgqpx6Eo0zMARVt2OFPAMDk4oJXBhkVrMd6VUprtHLI9bxHf89TmYNh0uZf8RWLcpm4GaI0-gqA==',NULL,'pending',NULL,NULL,NULL,1795197098894,1795197698894,NULL);
CREATE TABLE keys (
    key_id TEXT PRIMARY KEY,
    check_value TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO "keys" VALUES('093230582771c639','gAAAAABrAIio9NS2pp90VDzLii9AG4HQHVfGOUXGpE20jz533HNSCHrnXK4fhcCbIESI57uRtY5Hs8awgIjhs98mvd_W1cpXG2_WA4WPgj0C4tjYM9va_AFEVwxOhiv3Z9v4PpjHp5BmTSm0AVTb7YV6H9ckzK-7nMSmHMaVNnBLbdwlQ6URaV5VTm29oQZc7cto615vwBmU',1795197096782);
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
INSERT INTO "providers" VALUES(1,0,'strict','91849b43-c739-41a4-ae54-6a254787a6a7','Released','client','093230582771c639','gAAAAABrAIiqCvW5VRKwu-ZYjuV5PJmGS8sMJJnrN_XKA8Yb4WE4mYrXdAtRJCqjsZ-ZbPPBvE7GnwI_jdx_Z4NWJ6dfIZu6PPSQ2FkE8UFn0wqJN8eU8SdByTbUxVOkirH774ChMAOrWqFIwjE1PdiEzHz0pmqsj8NfSK2_rac8168pdl4ISrTnkyjHypo7Ch6dKS1ldJ3ooyJH-DOsddc_BYEqfGIjTouWGaShcfzv_9m9JLUdxUY=','client_secret_post',0,'https://auth.example/authorize','https://auth.example/token',NULL,NULL,0,'S256',NULL,'{}','[]',NULL,NULL,1795197098783,1795197098783);
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
    used_at INTEGER,
    UNIQUE (owner, id)
) STRICT;
INSERT INTO "tokens" VALUES(1,0,'7922ab67-f9fa-481e-b56b-43c59c903733','owner','strict','client','https://auth.example/token','root',NULL,NULL,NULL,'093230582771c639','gAAAAABrAIiqNc0t3xxDDvmrwBABlNVdVhk8rvvaWuxwUb-O1si0r0ueY3dVMKYuSMGgH0Ax_pPa24qBy20Xo-vWKLx34B_U4_ydWThUg1e8qVq6pQmFWOhDMZ6kOGrhQzMp_QNnukSadFWQAPctjDTpfYONY24Di_UhU1-ajFV3nBCdxmxK9YsbCSH-NzumF9KpXmZu3VqCFWs0t1c5a-JDAN87-zirRBkNvTis6pX1uaxAU092DyMKcuKGLrBArPu-cr8UkMOb','gAAAAABrAIiq_LUNnhri78wAN6xyJoaFPa8M-FDXPyZCVYx8HT7FXH7lxPO1QfRDkYjNk13jCkiV-oRoWhtkrq8ZpmBE9gBtvZ3tvS8yAN-ja2K40O7XAE7hJOT0abw3Zw5PhSCVCnFPgVbWuUNSPxjoBQC-y-9YPyQOmztPHR1RyBdVS51M_9aoYPmyIcDap2IRHutyetlOxuMRRC6qLGKzGaHmU5D2lwK8s_EABPw5MpAXYMUyh7ZSr7CjEOhObdvM9wQo4DA4','Bearer','["read"]','["read"]',1795197098844,NULL,1,NULL,1,'{}',1795197098844,1795197098844,NULL,NULL);
CREATE TABLE vault (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    id TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO "vault" VALUES(1,'9bb81c9e-fd6b-4bfb-a99c-181b24f43880',1795197096763);
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
