-- Subscriptions of MCP clients to events, which are posted to a callback.

CREATE TABLE event_subscriptions (
    id TEXT PRIMARY KEY, -- derived from the principal, the URL, the name and the arguments
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    principal TEXT NOT NULL, -- a hash
    key_id TEXT, -- the API key; none for the owner of the home
    scope TEXT NOT NULL, -- of the credential: account or agent
    url TEXT NOT NULL,
    filters TEXT NOT NULL, -- JSON; its name and agent_email say where to look
    controls INTEGER NOT NULL, -- 1: the client understands `gap` and `terminated`
    secret TEXT NOT NULL, -- sealed, as is the previous one
    previous_secret TEXT,
    previous_expires_at BIGINT,
    expires_at BIGINT NOT NULL,
    xid BIGINT NOT NULL, -- with seq: everything up to this position arrived or was given up
    seq BIGINT NOT NULL,
    reached_at BIGINT NOT NULL, -- everything up to the position was written before this
    since BIGINT, -- older events are passed over
    active INTEGER NOT NULL DEFAULT 1, -- 0: suspended until it is refreshed
    attempts INTEGER NOT NULL DEFAULT 0, -- failed ones of the next event
    gone INTEGER NOT NULL DEFAULT 0, -- events in a row that were answered with 410
    due_at BIGINT NOT NULL DEFAULT 0,
    last_delivery_at BIGINT,
    last_error TEXT,
    failed_since BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX event_subscriptions_by_account ON event_subscriptions (account_id);
CREATE INDEX event_subscriptions_by_principal ON event_subscriptions (principal, url);
