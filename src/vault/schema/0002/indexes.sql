-- Each statement on a table that can grow finds its rows by an index. An index
-- ends in the row's `seq`, so an index whose columns are all compared for
-- equality gives the rows in the order of the lists, without sorting.
-- `explain.rs` checks both.

CREATE INDEX providers_by_owner ON providers (owner);

CREATE INDEX tokens_by_owner ON tokens (owner);
CREATE INDEX tokens_by_provider ON tokens (owner, provider_id);
CREATE INDEX tokens_by_id ON tokens (id);
CREATE INDEX tokens_active ON tokens (seq) WHERE person_needed IS NULL;

CREATE INDEX connections_by_agent ON connections (owner, agent_id);

CREATE INDEX flows_by_id ON flows (id);
CREATE INDEX flows_by_provider ON flows (owner, provider_id);
CREATE INDEX flows_pending_by_provider ON flows (owner, provider_id) WHERE status = 'pending';
CREATE INDEX flows_exchanging ON flows (seq) WHERE status = 'exchanging';
CREATE INDEX flows_by_end ON flows (coalesce(finished_at, expires_at));

CREATE INDEX events_by_provider ON events (owner, provider_id);
