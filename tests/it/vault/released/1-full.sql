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
INSERT INTO "connections" VALUES(1,0,'19c13960-cfcd-413e-a825-b84fc1cf8c2a','bot','3b38727e-b2b1-49b5-9f1d-5b1c9d9de7ca','root',1767225604000);
INSERT INTO "connections" VALUES(2,0,'b30d9700-7921-44d7-8239-70799bf7d00f','upserted','d48b561e-48af-4ba2-8719-72351faa4e02','root',1767225605000);
INSERT INTO "connections" VALUES(3,0,'3e494c29-a5a1-4d3b-89c8-a555dc45dafd','cat','f4ba5540-249a-43e8-94e7-edde8c3d5480','root',1767225605000);
INSERT INTO "connections" VALUES(4,0,'42c9f27f-59a5-4ec9-9c06-b30a4797dafb','dog','f4ba5540-249a-43e8-94e7-edde8c3d5480','root',1767225605000);
INSERT INTO "connections" VALUES(5,0,'19ce06bb-a769-4269-aa30-fff543307888','cat','ef184fc2-d86d-4342-9809-d7940b217396','root',1767225605000);
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
INSERT INTO "events" VALUES(1,0,'d39a6e2b-3998-47f0-a5ea-1fab19c3dffe','strict',NULL,'f4ba5540-249a-43e8-94e7-edde8c3d5480','imported','imported','api',NULL,'["read"]','{}',NULL,1767225600000);
INSERT INTO "events" VALUES(2,0,'f726c756-4fc2-4482-a06d-407f643cc92b','strict',NULL,'ef184fc2-d86d-4342-9809-d7940b217396','imported','imported','api',NULL,'["read","write"]','{}',NULL,1767225601000);
INSERT INTO "events" VALUES(3,0,'6bba02f5-987c-4cf8-933d-8cb008949bca','public',NULL,'e85c8567-d709-4482-ade6-29d3fce99358','imported','imported','api',NULL,'["read"]','{}',NULL,1767225602000);
INSERT INTO "events" VALUES(4,0,'44f0dc30-09b8-4bf1-af7b-43122b6bef91','strict',NULL,'ce6cf71d-623c-45ad-b4b9-369fed8f7f89','connected','login','flow',NULL,'["read"]','{}',NULL,1767225603000);
INSERT INTO "events" VALUES(5,0,'e67008e2-65c5-477e-9adc-565babc18068','strict','bot','3b38727e-b2b1-49b5-9f1d-5b1c9d9de7ca','connected','login','flow',NULL,'["read"]','{}',NULL,1767225604000);
INSERT INTO "events" VALUES(6,0,'ff294fdd-f492-490b-bbb8-89804001ca74','strict','bot','3b38727e-b2b1-49b5-9f1d-5b1c9d9de7ca','agent_connected','login','flow',NULL,'["read"]','{}',NULL,1767225604000);
INSERT INTO "events" VALUES(7,0,'856e1417-979c-4574-85f8-da7fb8eb267c','strict','upserted','d48b561e-48af-4ba2-8719-72351faa4e02','imported','imported','api',NULL,'["read"]','{}',NULL,1767225605000);
INSERT INTO "events" VALUES(8,0,'6486cdb5-6d03-44b9-ac99-cb02117d310f','strict','upserted','d48b561e-48af-4ba2-8719-72351faa4e02','agent_connected','imported','api',NULL,'["read"]','{}',NULL,1767225605000);
INSERT INTO "events" VALUES(9,0,'af8054d5-efcf-4fbe-acd1-05ce73b7dbcb','strict','cat','f4ba5540-249a-43e8-94e7-edde8c3d5480','agent_connected','allowed','api',NULL,'["read"]','{}',NULL,1767225605000);
INSERT INTO "events" VALUES(10,0,'46e5bdac-3cc8-4499-b32f-223c873e5d60','strict','dog','f4ba5540-249a-43e8-94e7-edde8c3d5480','agent_connected','allowed','api',NULL,'["read"]','{}',NULL,1767225605000);
INSERT INTO "events" VALUES(11,0,'7f5243e2-f4e7-43f7-8592-e4099f375ac3','strict','cat','ef184fc2-d86d-4342-9809-d7940b217396','agent_connected','allowed','api',NULL,'["read","write"]','{}',NULL,1767225605000);
INSERT INTO "events" VALUES(12,0,'3913e0f4-8dba-4333-a76d-fcb93f6b255d','strict',NULL,'94492fe4-db47-496d-a12d-b1b4939f5822','imported','imported','api',NULL,'["admin"]','{}',NULL,1767225606000);
INSERT INTO "events" VALUES(13,0,'7c063954-3b25-4a37-a744-20b78ce8efaa','strict',NULL,'94492fe4-db47-496d-a12d-b1b4939f5822','reconnect_required','invalid_grant','refresh',NULL,'["admin"]','{}',NULL,1767225606000);
INSERT INTO "events" VALUES(14,0,'5dc7e4ea-29e4-4d23-aac1-04e7c1120e94','strict',NULL,'ce5860bf-991c-4df3-9894-b243395336c7','imported','imported','api',NULL,'["late"]','{}',NULL,1767225606000);
INSERT INTO "events" VALUES(15,0,'5cee6db2-7ff5-4ce5-b82f-d238ce273fbd','strict',NULL,NULL,'denied','access_denied','flow',NULL,'["read"]','{}',NULL,1767225606000);
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
INSERT INTO "flows" VALUES(1,0,'82a22601-9dea-44be-8f56-6d3fa00dfe30','owner','strict','client','http://127.0.0.1:35689/token','alice',NULL,'new',NULL,'["read"]','http://127.0.0.1:36777/host-oauth-callback/strict',1,1,X'662685A03A045301D9D451A81262DA3515C7E4685E2C8EA704E58A48AC42B521','ec5b110601264ab2','gAAAAABpVbkD2zSfIdQNYMIwpkZW_qhYD6Iinyv2ANPo8Ny9_X7GtBRs7J9MJWWHdn_zoKsoboeYHjgjYzefooaoZDxjDBrdWWr0700Xmea-_iE8KLys8AksF2nJyyJBrWn25D4P_A6uCe_UmFxQpZuPmZen2jbLOhM6hy8l9okpqd-f6789SlLunZ1GfJTmEhfa7MagJaFfVu2yuo3YlmKwaodM_cOrf6RCtBPZY68WlX9iqq8gTJdED7NKKRCE9TC7vgFD532syfB-DyhyBvT7d-MulDlQGA==',NULL,NULL,'completed',NULL,NULL,'ce6cf71d-623c-45ad-b4b9-369fed8f7f89',1767225603000,1767226203000,1767225603000);
INSERT INTO "flows" VALUES(2,0,'6dd8570b-c005-4a00-a460-815288e28f21','owner','strict','client','http://127.0.0.1:35689/token','root','bot','new',NULL,'["read"]','http://127.0.0.1:36777/host-oauth-callback/strict',1,0,X'E96EEB6D0242A36CE62446371D12274AD0C7CEEDF0BB5142A2A344D00AE577C0','ec5b110601264ab2','gAAAAABpVbkEQlco3Z74lCnMmR7Ivp7ItXR5jQFjugrwGJ4n9D2pBZccwlmQ6mIUsie4_da9oBjEssy9YGXDNXpYzq6ngBkMPC7pXczeUi4LZB4MPKRQHyTW9i0m9cOXCnue01YlNV07mhjcY1wLtHz_Hf7LkLdPRewirBsjiZJJc6HSEeC-fbE6xIKFowKzJV1zjPdZusUiEkTD4rjH6kycG9ASstQX8nWdZcZ5Mujc44N9BJ5LgDnRSFULdJnSaDb95ETglJILHQtCJUOd9B-FFDprQIlnAw==',NULL,NULL,'completed',NULL,NULL,'3b38727e-b2b1-49b5-9f1d-5b1c9d9de7ca',1767225604000,1767226204000,1767225604000);
INSERT INTO "flows" VALUES(3,0,'6068d228-237c-4f0c-b4b6-d0e36b5234f5','owner','strict','client','http://127.0.0.1:35689/token','root',NULL,'renew','94492fe4-db47-496d-a12d-b1b4939f5822','["admin"]','http://127.0.0.1:36777/host-oauth-callback/strict',1,1,X'3520C591359C514FEF37C39FEC7F1F894EC487437FB6C43E2F97F0066439A71C','ec5b110601264ab2','gAAAAABpVbkGbd0q5RBfqsk2TK4bNiGexKKegKs5SVOAkYyB81SeJxJKfC_Ohf3oJYUL8M1KSHEFzDfQmV9NrBn2BTxEWILkGofgPQ5Fa2uLMBGJcBmFjzRpeYBHOc7yDq1ivZTeOhdI_48E5l-2Y_4K3ARTX3nfmZM9gvkPiEalchIPbX6U0vrtVP8Iq_JjA5Hs7D2kn47eCV7Rfc0UtUYy3aAV8n13LIOMwYPYiDzkl6nNxl3oOehvRX6mM4RdKXquNCaknSBST3niGgAQ-uQm94vl9ZdM_Q==','gAAAAABpVbkG7pwJwttomhPXsJv_EK_Z5-WXACysGVmPE3wBDKCB7DIGptckbdgaV659D6Bh1wFGYrULn32YcEPHcAx3hNEBzqhpsipuGmDuzbEhfQopUEzKLBwEoBwfpw2VnKXWtoPpSQmczsKUFS0qJ_tq_fa7IVd4YyVAZFJZJUu0NrtNBEAJC5qNLDPHukyn49u0u3wnYYRUxdj2E7TBdayLsnagHnAfhyW6tNr0w7UaK_quRzcJHnHHsO4djhTHQEAH8eikIhFMtHDiVaNffgJi8Z7Vyw==',NULL,'pending',NULL,NULL,NULL,1767225606000,1767226206000,NULL);
INSERT INTO "flows" VALUES(4,0,'c445cf36-e558-46a6-878f-40563aaf40f4','owner','strict','client','http://127.0.0.1:35689/token','carol',NULL,'new',NULL,'["read"]','http://127.0.0.1:36777/host-oauth-callback/strict',1,1,X'49BB35BCC210A2A7CD7194E1D27350C50A6D1508C33FE42DA7AC27EC86FE62B9','ec5b110601264ab2','gAAAAABpVbkGeTgsfzoElxssey5BFqH54TT-Km1s_03hw8NHCrVuMiFd-rxrdYSIbNVkCU0AFgXHXMfu-pWeSKpVAQdxTRxBEYU57GuQ5cinMTTTc1FDzMrp1wtKeCTpbduSXED60NDPdnl33QI5160aHQ9TNBe-ExIqJyHe7XJxAM0QBqWr-vJ37K-CjepmSyy-FJFoAmXPdgJmhP4hb3xJ2fm_DWrjLcU9YSTFLLYOge09QG8dCfotZ6loHGUeM9zVA1DOImT122CbnQ_VIzhCMJAHyWmdSQ==','gAAAAABpVbkGzxWg4aaFP65VQhuvKJZpZ8zbwmh4IbIn0KTPQpjxYEyvJQ2PYs9X6ksQzdFjJ027UdmF45W14JbzYRp8uVv8L8F6w4-_-iymILiBX-35PNzLQZyMw12NOkLTfFd60cCtjfWJlB8oIeWl-vxlliYGaKwqUu6dmp2wjfdREiXue1vfY8s9k9C1onvqghxXpZmt9_ZUTpS38nNO-ZhqBDx-ETdEbZD32X3x7RNJeyGxFWJDFpS2_sS9VAxYJtQ8rB2-mNwrnGBp7MFwgd2DVcKUMQ==',NULL,'pending',NULL,NULL,NULL,1767225606000,1767226206000,NULL);
INSERT INTO "flows" VALUES(5,0,'1249bf1e-8dec-4c1d-90e1-44267cdb8112','owner','strict','client','http://127.0.0.1:35689/token','dave',NULL,'new',NULL,'["read"]','http://127.0.0.1:36777/host-oauth-callback/strict',1,1,X'9F2512D55E3FB397DF2558235B42F58CF2FC0693A398E11D4D2316EB30FFA4A8','ec5b110601264ab2','gAAAAABpVbkGdqdqO0eE412XcdbNPg5E22HkLfK58YD99-riptFVuhTU2CKB-nhs92oe_frRaWY7njz8AHziGQ2-piUCcL9AprseWNkisU3DHbn6yjXFP2PLn-SOirD1oEcigELTb2aDZhfibYeLGt3voqGqTrtqzOQaBpnbBx9jRJENGvn1aYaUiK6aduE0jYbARGqwgBwzdYDSQvhsaQDPrqgusG7at3gToQXuWIRgwmIrJNk9avSEj4bJcq5okpivKPxvbJKeN1p2-P3oaxZU7fA3by4nAQ==',NULL,NULL,'failed','access_denied',NULL,NULL,1767225606000,1767226206000,1767225606000);
INSERT INTO "flows" VALUES(6,0,'c813c30d-5e52-45eb-9b78-8b7fefba2918','owner','strict','client','http://127.0.0.1:35689/token','root','newcomer','connect',NULL,'["read"]','http://127.0.0.1:36777/host-oauth-callback/strict',1,1,X'B827FA8D819E8F746C227754697B45FE28CB7D0A57EDD4F898858B1B32E86EC5','ec5b110601264ab2','gAAAAABpVbkGjgipJZ-IJvwHoSTtie_QFyBL8k8hZWFdnPRnQ23wfg5RBMU_f-bXjR1XUywaGlU6xQBS4p8HU4E6nvOJ6oNtgk1ipA68LwETrM2uBaSzNiyXi9AFY3tp5HqMA7eI8BNE2uAa5acZBVLzlaKd48DYZ8Ov5H4vl-yAVxcImuLm05b-EQxPhtwAYbZ_EDogRW7osHMMATn8eaB3_8NaJLoQ_LAoPcUq8MfCQaqCySDerM0oIm6m9FR2BLtA-tMFNiYJVx3DdO59iZHAL50QaxX6Zw==','gAAAAABpVbkGOqQ8vIGl-b0xdCXqWXgwA5UivwzkSfOZri6n4rCW8Wox-0hHJuHhGaPnPVeyVCodk5NO0Ww50zdHAxDRk3LSWxhK0-TyEhyWDo8hKj7RtTDBWc4rIWaAKBMFn6SvGQq95Th8GwdN4F3Qcq4ljBPWgzRJdeWXtSQg2-uQGLDJZBGEJaSoY2MfglPB7UxCClLaREnp7-ARORDmkKY3eptVwZvh8Q8LGgix4luDpACE0b7qLygxhiZg9hVlEFIN0BbqOhgwpdEJJiNtAuInZktpdA==',NULL,'pending',NULL,NULL,NULL,1767225606000,1767226206000,NULL);
INSERT INTO "flows" VALUES(7,0,'5ab869a7-8fce-4c25-aebc-8e480df486d7','owner','strict','client','http://127.0.0.1:35689/token','root',NULL,'renew','ce5860bf-991c-4df3-9894-b243395336c7','["late","more","read"]','http://127.0.0.1:36777/host-oauth-callback/strict',1,1,X'E0ADA5E53470DFDA1D829286A923E7C35B64C9DF64803E039D3C19E67F23E7AF','ec5b110601264ab2','gAAAAABpVbkGuzmYE7A-hzsh5DJM-ho-W4MetapkLg2aPwqYyCDL4wT0jj9SSZEtBhNZ5UdbNgUlV6vxHbop6aTwQgAf-gZwailPlj49w_IK7ZPwWkvTiR4O-_657UGL7lzL4YvVMgQ8dJa7WwQdG6TdL3roejZYvK_29WQGjrGMlM-es7moPsT1ao6VS8YetdnlwZSl0KNpvTu5PfRbHUpMf-SNULds3bRtpVp4lOjKvumZ8TqbgowTX_A9RvtAysp0V4Cr7RTFxxoH2N-JmgnlYYJGtklDcw==','gAAAAABpVbkGqDqNwR3iLK3t_3P5dnDHXzXuMaMxmqrzJN5FoTn0gqavarq0yl0s4WTsx-vFJmA_upq7hWNAF6EBbbt7nHRay4sbGywcGDnMO9-fJ9ZMQIM2LgCYkB_IEpB5YrzrXECuhgf46phFi9_cGezj0zPQMtkTuOe2fnlxx33gQD2fmiwEwYvTtLATriGuiLTw_K0huXilp7IPmHwbQpH0NDysSs4ABvIlEK1m7eWRYsjUaL6vDz-et6mYA4InQ_Sq_sWwbZ4-zPH7Mza-srB0ZY_0fQ==',NULL,'pending',NULL,NULL,NULL,1767225606000,1767226206000,NULL);
CREATE TABLE keys (
    key_id TEXT PRIMARY KEY,
    check_value TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO "keys" VALUES('ec5b110601264ab2','gAAAAABpVbkAWyu4vEx1rrjzDv6eBLgAfO2VTEX0PocNRmqY6i2lylY1zY6WzUQ-xUVpCcS9k2GgKbUjz9aoiD1ihIsf19jy7jzuKT5EPa736YJtsdhLl8JrdP1OSpc1PvhgqEDVmKwGzxgPOSkZPuM1fPq9vvOhbi3ccq6ajJQhOMENPY-4hZsL__mbcIPkYy8nLmnI-oM4',1767225600000);
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
INSERT INTO "providers" VALUES(1,0,'strict','e3dc0da0-d863-43b2-adf0-57d32a005d59','Strict','client','ec5b110601264ab2','gAAAAABpVbkAMIaZvAUTG9XHrog2cLtPLH3XJYVtGxoGGu3Ays5Z4S5LbTCvDXX7j2BUa2OigDBHlp-t5LVdYZaW-uzjbkSMB4cBT9Z2K3eeAQVZrU1gxbC5djUkwltZqAUjUG5_6H0cYpRvjPpkKLzocejE47LJOwyYHCa2AiRdLPcoO1ophRjhMhpoYzx1MbkSXzOPlpD579NiEWUVmPrL2Foc7SnGaRM-evWODEkGuMO2oeuvkJ8=','client_secret_post',0,'http://127.0.0.1:35689/authorize','http://127.0.0.1:35689/token',NULL,NULL,0,'S256',NULL,'{}','[]',NULL,NULL,1767225600000,1767225600000);
INSERT INTO "providers" VALUES(2,0,'public','5f02bbe8-f068-4962-8cac-33c31b79ed70','Public','released-public','ec5b110601264ab2',NULL,'none',0,'http://127.0.0.1:35689/authorize','http://127.0.0.1:35689/token',NULL,NULL,0,'S256',NULL,'{"audience":"api"}','["https://app.example/callback"]',NULL,NULL,1767225600000,1767225600000);
CREATE TABLE refresh_attempts (
    owner INTEGER NOT NULL,
    token_id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    PRIMARY KEY (owner, token_id),
    FOREIGN KEY (owner, token_id) REFERENCES tokens (owner, id) ON DELETE CASCADE
) STRICT;
INSERT INTO "refresh_attempts" VALUES(0,'ef184fc2-d86d-4342-9809-d7940b217396',1,1767225606000);
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
INSERT INTO "tokens" VALUES(1,0,'f4ba5540-249a-43e8-94e7-edde8c3d5480','owner','strict','client','http://127.0.0.1:35689/token','root',NULL,NULL,'mine','ec5b110601264ab2','gAAAAABpVbkADb7RdZpeBafjmXYfzVcnhH6KLCPAVqbz4NLXYxoN-5GjaQZWk8E5mncP3DQLTwc_MvgclxDuAjmOZC3E7oAATNACfIIhV3Eh_ViT_DWTAdGqJDR4Ekt9YSPUfoUvCYHBc86q0Fk6pgoHuWRuZ-26wdVc8WqxllkQtOfaxWsR5lVcvyvBXqKbHtanuW_3e8llxIPb8s68fuIF97WIB7BE_q-b5kFDVi34dBQsphALHUE57GKKUL9nqtsd8GtrKL69','gAAAAABpVbkAW0jhyEGGQYOsoL9LqNG8MNzOsv4_SkKadEK7T3vKhroJmtwZ1OMsuCtCmVhO_VtDgsNTeJWdQ95zP4WlqLN1FCyOmgYu0BZc5_zaxlXb2c6Ohp48Gd7MvWmwfnVS914I8ig5NRe0TkfyXWOg8WWDm_dnCp-nQ0C6GBvMfaW4RtP4KQEF8DL2hiYP1mV-MdmxPxbnoWbSLy51O2NPeitgNaE_Rdno8D0eoSDLO-jMpSpk7G1VHmOAcZKdcKB20N8w','Bearer','["read"]','["read"]',1767225600000,1767312000000,0,NULL,1,'{}',1767225600000,1767225606000,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES(2,0,'ef184fc2-d86d-4342-9809-d7940b217396','owner','strict','client','http://127.0.0.1:35689/token','root',NULL,NULL,NULL,'ec5b110601264ab2','gAAAAABpVbkBDG9usNod47rGptWCLqKGphYW3OTwALFt4ulDUcWRYYytVPQVsGaCLqeJdcyHP3XkAaSBUlo9pRAFVUDIUPT9uIWiXVZVgpgWov4rWoSQn2VJxecK0QJ5Owenjfq7GY0Simc1rw6lpdiuy4iG3WEZBk-t3vaX1UkJN8m9I8m09sIrg3Zll7v0zuu_mfQPvoowI9iu4FTer1pMw4EBm2DKgclyNFXfEvbuJ0IVymScx42HeO21v1N98AEOLb3Gd7Z_','gAAAAABpVbkBugfrpjhbtm9q_aG1n3VsUaz_Wcdj87y_lbE0BoJGaDG-wqI1z03T3UGYeFsYEdQygrN6Yz7MH65AjpGpARHOATA1gjF37c_TWGj4TpRJyCeCOwaTNIy6ysC385YD639k4sHk3mBFyhkfU5KDfL9ODEQZ7EhBpuOFXGTZt_0bpobyZIgTVQQNUHX4ky91oY0IFTTnbbH58FTe7hQ4_jlZ6TNJdM4fGlhooYJDTWK4KyAYDEaGCQveo-bf0eTTeCwl','Bearer','["read","write"]','["read","write"]',1767225601000,1767312001000,0,NULL,1,'{"team":"blue"}',1767225601000,1767225601000,NULL,NULL,NULL,NULL,1767225606000);
INSERT INTO "tokens" VALUES(3,0,'e85c8567-d709-4482-ade6-29d3fce99358','owner','public','released-public','http://127.0.0.1:35689/token','root',NULL,NULL,NULL,'ec5b110601264ab2','gAAAAABpVbkCHU9e2GNZN3GBearIznfEwFL9vOjcYt7azlcmlv6-U81s7krjSCI3SlvlavDuzV2mxWulZzStxgrRWKSioz4QAGthoYWnnLJjz1oSakRMlZY47R-OSGhkqldbzJNuh3NHiKh3hMyCUBpi1Jilbz4DwrbxNPOTKwlqGSQGBfsEcG7kCdkjgqr6fx9xrI1y9krWZBzK-jvgB3f3Ihs1Vx7bvujvCb-PVzTqHB6L8taE6GmsqoUVdX0xewE5gJXoi5yF',NULL,'Bearer','["read"]','["read"]',1767225602000,NULL,1,NULL,1,'{}',1767225602000,1767225602000,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES(4,0,'ce6cf71d-623c-45ad-b4b9-369fed8f7f89','owner','strict','client','http://127.0.0.1:35689/token','alice',NULL,NULL,NULL,'ec5b110601264ab2','gAAAAABpVbkD7Pdskb9_Ys21VL0zgY8B7zZi76j7paELwes9Hh49eIPajSg3eSSoa3mn18otqWvQIdxUP4eLgLr1d6atezgrq7mISweM7BAtBkl0U5vuohMS22GezUChWbE_uLIIPv-bg3Qadc604yuxhZQJi7rL_9XJf_gHTfc7FInCWC6zRfDoFU262bk3u9WehGqjcS_eD7rHS44lqtNMW9Ue6ot8Mv1boyIDhMy-PeGYniYgzP_GNz6Bn3Lq7g5dDBu8Gd1J','gAAAAABpVbkDBiXQGqDMJnkXA6TRGWQG56Rm1kM1LCY8Fc1vsZakwsJ5c2AvzsdsBBSYoAq8myFhNpvqgHIymcsrBwOg1q1gh2ZlRMWcZwlz0JKLAW96-oKH4Wye__MXkE1_L3GuOY_pcxr7x8OJNbaG8ZoiceEnNZ0shzIOdFjXOg3oGRnAptDH3LkPv77Dr3VBS2XSD6gs68-p-Hmt1GMAz9z5Qb8ksMPWTM-p1uDA-7ZAZ8iw6Ww4pAeWtt_T3eaYbv0c0LW7','Bearer','["read"]','["read"]',1767225603000,1767229203000,1,NULL,1,'{}',1767225603000,1767225603000,NULL,NULL,NULL,NULL,1767225603000);
INSERT INTO "tokens" VALUES(5,0,'3b38727e-b2b1-49b5-9f1d-5b1c9d9de7ca','owner','strict','client','http://127.0.0.1:35689/token','root','bot',NULL,NULL,'ec5b110601264ab2','gAAAAABpVbkEiFTLvOpL5EXidsQtCzqJjSuG5vAZqfk92YuP5AnsPNk62PjigAlcSGErAS5EacNRJ-OKkhrpHRvUDguoH4mc6X79FCfmcR21fxq9TvLfHf1d_RSa9vZxAko5YmOa9NE-eZAoF1pUMKil8A-q4tbfAluyNEDcDLxuEzbX37MM5gJKjocLn5tPlJowSsS02QQOKgerwelyUruhmNzlYcMCtvIAWzGK-DvBDT-Pw-4cgriPx1i6R3uoQqgl2Iv86Fss','gAAAAABpVbkEezxuA_rN9QDa4p8IaFgawT37dC09vPhfpD6r-j28rp5hzcVOYSTb5v3h2djh3nD2XL6Voym_faZuLz0Q9BrPI5zlmWEJ6az9jQJ0MUqxRFP-FPpjCgSpBzpQfxPvrBmjwMYqD4pL1E0vYrmQV-4WMQik4lOcpfzDG3FMitg9Ml7EKkV_Pg_vwyPFzWxusZJCGrNXIETwNRgQqWFu5BGSV4ANmnCPaDzxfIGaOWAtjuZczSaiZJmHl3QTA7M9dN-0','Bearer','["read"]','["read"]',1767225604000,1767229204000,1,NULL,1,'{}',1767225604000,1767225604000,NULL,NULL,NULL,NULL,1767225604000);
INSERT INTO "tokens" VALUES(6,0,'d48b561e-48af-4ba2-8719-72351faa4e02','owner','strict','client','http://127.0.0.1:35689/token','root','upserted',NULL,NULL,'ec5b110601264ab2','gAAAAABpVbkF6ojEjSjYdLI75anILAAPx-TUxH88WJ34s73iseRtQD34zZ7XQ4zR_RNCW6lNfJ4D1DlaMSRilU-Ms18PQ4hPSuADJWcYutPPAB2n-AXPSu9MLDUWpYPFJVa-Y-KpEjfaQgLG-0I-Sx3ZwA6HC7dgW3rn1-IA3j_IHHQTmKR9wIAczGcOSpiF5gvomT5DMzs18oY4aIc-SJF1a85Wc6UKkuPxtmfP7fbslrftRhDnvN9f4GVmvnwpfqNcY1GWvCtK','gAAAAABpVbkFjW6pMA4tnJ0CGzmkk1dMw9VfZ4WTJKYmwkJwURLkkQf6rikSO4k-bOikcyrJYYo7zSfMAr4Pm0FHF0ly54ID6ivEFDysGWLQmRbq9e_Ov7_ghIvtRPXnRFWut72VW9b1X-wQ5GQcxv-En2S5x9uRfObdpgvdkiPL4Yb4pkE9z-BClyDTk8pKa_6Xwsj6BG7QGz-TlSkCq6c2Za8cxhGpw86YrJHHJZnFE4PjFHoN9lAeS7lInKAZNrqE795LvRaeBw16O_7WnOykZvtTBUNY5w==','Bearer','["read"]','["read"]',1767225605000,1767312005000,0,NULL,1,'{}',1767225605000,1767225605000,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES(7,0,'94492fe4-db47-496d-a12d-b1b4939f5822','owner','strict','client','http://127.0.0.1:35689/token','root',NULL,NULL,NULL,'ec5b110601264ab2','gAAAAABpVbkGxoc8-dqJ9K1wGCa-m3xgnRyUsri0o5Hqgt7MAV6j81qHdoCKvSE_8v6Q0anLULr9MH1S5yiLisESG9gHLBoMVn5tO4XXYWcg8eAwsbCjbHj_udTCRSV3P072SCtIb2RIgj5Afr1TYMcA7uV1pKsm3-FJGmeWqUe-bgVz9pW3MRPMZza3rX2O8juMby_-ywWwsQ9aIZZYLESf4jQOOIDG44WnqfXhZ0HF6ydPrcl_aHD0Ay90-zNjtst8edwHRM5h','gAAAAABpVbkGf4zDBadp72LvT3NxVqFCcrIgllxQh44GQOqhLhSB6Ixp7jaFWvGE7aIXbg7kfBBQi4OptRR7KG_SegNhmj7V0HHPEefMjqQu7HF1kEn0KadwGQe3LGfCr4jJoxU4RZrurjBIr1PCW_Ky7cAxwL2Pez7Gb1KIovhN4fc5Yeg432T2Wq56tSAB2FGgWnpxhutOTgwjShVLiY4iro0Ivc7mr7Xrbw5xnEM4cDJWTZD4SdJR7VI51ljEFHPlfDY31q-x','Bearer','["admin"]','["admin"]',1767225606000,1767225606000,0,'invalid_grant',1,'{}',1767225606000,1767225606000,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tokens" VALUES(8,0,'ce5860bf-991c-4df3-9894-b243395336c7','owner','strict','client','http://127.0.0.1:35689/token','root',NULL,NULL,NULL,'ec5b110601264ab2','gAAAAABpVbkGKH8E2oQEbTlshEoA6rSevR2tAt4DGNkAm1zCbifT_Kt2-f6wQqJyDZJqSGKEsBvHb5Q4UrXZEp8V465d0Npg2l6txfOBNi0Zg8OWitL9Dg8LwGdymVan81k4u9T37tfTPE0yz4vc1qp1YF4XT4Z3M8hIDpWl9RvJuqqlyrftneMqr-493fKIYUv5qoEqlPaKUdsXovi_OTHBILKo3JdIhdTJr787kCicaJTL2z7ATr8crhqewyns1aqR37ecloQh','gAAAAABpVbkGB-u86rM8Zo4-GTu55edVJLywhuJHaC1n3NRRWKJpAi7wVedsGwqzgAjO9xJlmBO2-Ed0am6x5MrwZigUzSEDjOWSptZWckOcOVXMVshZfcbFCi5WYSAm6zvZUyscKVocs0cls_34Ci4Qit1ngdRi0iw7N_uJ-Lna7cfl4SvJLgn6HyQ41LZ8kdBCXR0kDI4DXCVdEeQeabwk9Z5dzhKkk6NMKm2HDH9D4OI8pa2uFIEYp6r1EgF9qRAjU2Knvxw0','Bearer','["late"]','["late"]',1767225606000,1767225636000,0,NULL,1,'{}',1767225606000,1767225606000,NULL,NULL,NULL,NULL,1767225606000);
CREATE TABLE vault (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    id TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO "vault" VALUES(1,'bb3e8bfb-9197-4377-8d9f-a17ef25f895e',1767225600000);
CREATE INDEX tokens_by_user ON tokens (owner, provider_id, user_id);
CREATE UNIQUE INDEX one_default ON tokens (owner, source, provider_id, user_id) WHERE is_default = 1;
CREATE INDEX connections_by_token ON connections (owner, token_id);
CREATE INDEX flows_pending ON flows (owner, provider_id, user_id) WHERE status = 'pending';
CREATE INDEX events_by_owner ON events (owner, seq);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('providers',2);
INSERT INTO "sqlite_sequence" VALUES('tokens',8);
INSERT INTO "sqlite_sequence" VALUES('events',15);
INSERT INTO "sqlite_sequence" VALUES('flows',7);
INSERT INTO "sqlite_sequence" VALUES('connections',5);
COMMIT;
PRAGMA user_version = 1;
