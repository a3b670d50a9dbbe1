-- Jobs that can be asked for again while they run, how far readers of the event log have come, and webhooks.

ALTER TABLE jobs ADD COLUMN asked INTEGER NOT NULL DEFAULT 0;

CREATE TABLE log_readers (
    name TEXT PRIMARY KEY,
    xid BIGINT NOT NULL,
    seq BIGINT NOT NULL
);

CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    events TEXT NOT NULL, -- a JSON list
    filters TEXT NOT NULL DEFAULT '{}',
    ordered INTEGER NOT NULL DEFAULT 0, -- 1: the events of a conversation arrive one after the other
    enabled INTEGER NOT NULL DEFAULT 1,
    secret TEXT NOT NULL, -- sealed, as is the previous one
    previous_secret TEXT,
    previous_expires_at BIGINT,
    disabled_at BIGINT, -- by a person or by itself; the deliveries that wait end a day later
    auto_disabled_at BIGINT,
    auto_disabled_reason TEXT,
    last_delivered_at BIGINT,
    warned_at BIGINT, -- when the owner was told that nothing arrives; cleared by an arrival
    created_at BIGINT NOT NULL
);
CREATE INDEX webhooks_by_account ON webhooks (account_id, created_at, id);

CREATE TABLE webhook_deliveries (
    seq {serial},
    id TEXT NOT NULL UNIQUE,
    webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event_id TEXT, -- none for a test
    kind TEXT NOT NULL, -- first, redelivery or test
    type TEXT NOT NULL,
    conversation_id TEXT,
    body TEXT, -- of a test; the others send their event
    status TEXT NOT NULL DEFAULT 'pending', -- then delivered or failed
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at BIGINT NOT NULL,
    last_attempt_at BIGINT,
    last_status_code INTEGER,
    last_error TEXT,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX webhook_deliveries_once ON webhook_deliveries (webhook_id, event_id) WHERE kind = 'first';
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, due_at) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_by_age ON webhook_deliveries (webhook_id, created_at, id);
CREATE INDEX webhook_deliveries_by_event ON webhook_deliveries (event_id);
