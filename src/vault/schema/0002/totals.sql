-- What each owner stores: rows per table, and the size of all rows in bytes.
-- Each change updates it (vault/totals.rs), so that no request counts rows.

CREATE TABLE totals (
    owner INTEGER PRIMARY KEY,
    providers INTEGER NOT NULL DEFAULT 0,
    tokens INTEGER NOT NULL DEFAULT 0,
    connections INTEGER NOT NULL DEFAULT 0,
    flows INTEGER NOT NULL DEFAULT 0,
    events INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The flows under way. There are few.
CREATE INDEX flows_under_way ON flows (owner, expires_at, status, purpose)
    WHERE status IN ('pending', 'exchanging');

INSERT INTO totals (owner, providers, tokens, connections, flows, events, bytes)
SELECT owner,
    sum(name = 'providers'), sum(name = 'tokens'), sum(name = 'connections'),
    sum(name = 'flows'), sum(name = 'events'), sum(bytes)
FROM (
    SELECT 'providers' AS name, owner,
        512 + octet_length(name) + octet_length(client_id) + coalesce(octet_length(client_secret), 0)
        + octet_length(authorization_url) + octet_length(token_url)
        + coalesce(octet_length(issuer), 0) + octet_length(authorization_params)
        + octet_length(allowed_redirect_uris) + coalesce(octet_length(resource), 0) AS bytes
    FROM providers
    UNION ALL
    SELECT 'tokens', owner,
        512 + octet_length(user_id) + coalesce(octet_length(agent_id), 0)
        + octet_length(client_id) + octet_length(token_url) + octet_length(access_token)
        + coalesce(octet_length(refresh_token), 0) + octet_length(granted)
        + octet_length(requested) + octet_length(metadata)
    FROM tokens
    UNION ALL
    SELECT 'connections', owner, 256 + octet_length(agent_id) + octet_length(created_by)
        + octet_length(scopes)
    FROM connections
    UNION ALL
    SELECT 'flows', owner,
        1024 + octet_length(user_id) + coalesce(octet_length(agent_id), 0)
        + octet_length(client_id) + octet_length(token_url) + octet_length(requested)
        + octet_length(redirect_uri) + coalesce(octet_length(form_offer), 0)
    FROM flows
    UNION ALL
    SELECT 'events', owner,
        256 + coalesce(octet_length(agent_id), 0) + coalesce(octet_length(reason), 0)
        + coalesce(octet_length(account_label), 0) + octet_length(scopes)
        + coalesce(octet_length(detail), 0)
    FROM events
)
GROUP BY owner;
