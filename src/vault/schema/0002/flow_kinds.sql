-- How a flow obtains its grant. Flows of version 1 use an authorization code.
ALTER TABLE flows ADD COLUMN kind TEXT NOT NULL DEFAULT 'authorization_code';
