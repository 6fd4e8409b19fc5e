-- One default per owner, provider, user and agent; no agent means the user's own
-- tokens. An agent's token that was the user's default becomes its agent's
-- default. A group without a default gets its most recently used token.

DROP INDEX one_default;

CREATE UNIQUE INDEX one_default
    ON tokens (owner, source, provider_id, user_id, coalesce(agent_id, ''))
    WHERE is_default = 1;

UPDATE tokens SET is_default = 1 WHERE seq IN (
    SELECT seq FROM (
        SELECT seq,
            max(is_default) OVER one_group AS has_default,
            row_number() OVER (
                PARTITION BY owner, source, provider_id, user_id, agent_id
                ORDER BY coalesce(used_at, created_at) DESC, created_at DESC, seq DESC
            ) AS place
        FROM tokens
        WINDOW one_group AS (PARTITION BY owner, source, provider_id, user_id, agent_id)
    )
    WHERE has_default = 0 AND place = 1
);
