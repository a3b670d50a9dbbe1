-- Times are microseconds since the Unix epoch; JSON is text; flags are 0 or 1.
-- A block between "-- only sqlite" or "-- only postgresql" and "-- end" runs on that database alone.
-- {serial} is an ascending integer primary key, {blob} the binary type.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL DEFAULT '',
    plan_code TEXT NOT NULL DEFAULT 'default',
    created_at BIGINT NOT NULL
);

CREATE TABLE domains (
    domain TEXT PRIMARY KEY,
    account_id TEXT REFERENCES accounts (id) ON DELETE CASCADE,
    verification_token TEXT NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    verified_at BIGINT,
    last_checked_at BIGINT
);

CREATE TABLE dkim_keys (
    domain TEXT NOT NULL REFERENCES domains (domain) ON DELETE CASCADE,
    selector TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    private_key {blob} NOT NULL,
    public_key TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT,
    PRIMARY KEY (domain, selector)
);

CREATE TABLE agents (
    email TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    domain TEXT NOT NULL,
    registered_domain TEXT NOT NULL REFERENCES domains (domain),
    name TEXT NOT NULL DEFAULT '',
    protection TEXT NOT NULL DEFAULT '{}',
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE INDEX agents_by_account ON agents (account_id, created_at, email);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    agent_email TEXT REFERENCES agents (email) ON DELETE CASCADE,
    name TEXT NOT NULL DEFAULT '',
    scope TEXT NOT NULL,
    key_hash TEXT NOT NULL UNIQUE,
    key_prefix TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    expires_at BIGINT,
    revoked_at BIGINT,
    CHECK ((scope = 'agent') = (agent_email IS NOT NULL))
);
CREATE INDEX api_keys_by_account ON api_keys (account_id, created_at, id);

CREATE TABLE delegations (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    agent_email TEXT NOT NULL REFERENCES agents (email) ON DELETE CASCADE,
    human TEXT NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_until BIGINT,
    revoked_at BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX delegations_by_pair ON delegations (agent_email, human);

CREATE TABLE raw_messages (
    content_hash TEXT PRIMARY KEY,
    data {blob} NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE messages (
    seq {serial},
    id TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    agent_email TEXT NOT NULL REFERENCES agents (email) ON DELETE CASCADE,
    direction TEXT NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    type TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL DEFAULT 'sent',
    hidden SMALLINT NOT NULL DEFAULT 0,
    thread_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL DEFAULT '',
    header_from TEXT,
    sender TEXT NOT NULL DEFAULT '',
    envelope_from TEXT,
    delivered_to TEXT NOT NULL DEFAULT '',
    tag TEXT,
    to_addresses TEXT NOT NULL DEFAULT '[]',
    cc TEXT NOT NULL DEFAULT '[]',
    bcc TEXT NOT NULL DEFAULT '[]',
    reply_to TEXT NOT NULL DEFAULT '[]',
    subject TEXT NOT NULL DEFAULT '',
    preview TEXT NOT NULL DEFAULT '',
    labels TEXT NOT NULL DEFAULT '[]',
    attachments TEXT NOT NULL DEFAULT '[]',
    email_message_id TEXT,
    provider_message_id TEXT,
    content_hash TEXT REFERENCES raw_messages (content_hash),
    trace TEXT NOT NULL DEFAULT '',
    size_bytes BIGINT NOT NULL DEFAULT 0,
    dedupe_key TEXT,
    authentication TEXT,
    auth_headers TEXT,
    auto_submitted TEXT,
    flagged SMALLINT NOT NULL DEFAULT 0,
    flag_reason TEXT,
    hold_reason TEXT,
    approval_expires_at BIGINT,
    reviewed_at BIGINT,
    reviewed_by TEXT,
    rejection_reason TEXT,
    edited SMALLINT,
    draft TEXT,
    delivery_status TEXT,
    delivery_detail TEXT,
    sent_as TEXT,
    method TEXT,
    scheduled_at BIGINT,
    claimed_at BIGINT,
    read_at BIGINT,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT,
    UNIQUE (agent_email, dedupe_key)
);
CREATE INDEX messages_inbox ON messages (agent_email, direction, created_at, id) WHERE deleted_at IS NULL AND hidden = 0;
CREATE INDEX messages_unread ON messages (agent_email, created_at, id)
    WHERE direction = 'inbound' AND read_at IS NULL AND deleted_at IS NULL AND hidden = 0;
CREATE INDEX messages_all ON messages (agent_email, created_at, id) WHERE deleted_at IS NULL AND hidden = 0;
CREATE INDEX messages_trash ON messages (agent_email, created_at, id) WHERE deleted_at IS NOT NULL;
CREATE INDEX messages_conversation ON messages (agent_email, conversation_id, created_at) WHERE conversation_id <> '';
CREATE INDEX messages_thread ON messages (agent_email, thread_id);
CREATE INDEX messages_held ON messages (account_id, created_at, id) WHERE status = 'pending_review';
CREATE INDEX messages_usage ON messages (account_id, created_at, size_bytes);
CREATE INDEX messages_by_content ON messages (content_hash);
CREATE INDEX messages_deleted ON messages (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE message_refs (
    agent_email TEXT NOT NULL,
    ref TEXT NOT NULL,
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    PRIMARY KEY (agent_email, ref, message_id)
);
CREATE INDEX message_refs_by_message ON message_refs (message_id);

CREATE TABLE message_labels (
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    label TEXT NOT NULL,
    PRIMARY KEY (message_id, label)
);
CREATE INDEX message_labels_by_label ON message_labels (label, message_id);

CREATE TABLE message_recipients (
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    outcome TEXT NOT NULL,
    status TEXT NOT NULL,
    code INTEGER,
    enhanced TEXT,
    detail TEXT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (message_id, address)
);

CREATE TABLE lifecycle (
    id TEXT PRIMARY KEY,
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    dedupe_key TEXT NOT NULL,
    direction TEXT NOT NULL,
    recipient TEXT,
    stage TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason_code TEXT NOT NULL,
    retryable SMALLINT NOT NULL,
    evidence TEXT NOT NULL,
    correlation_ids TEXT NOT NULL,
    occurred_at BIGINT NOT NULL,
    UNIQUE (message_id, dedupe_key)
);
CREATE INDEX lifecycle_by_message ON lifecycle (message_id, occurred_at, id);

CREATE TABLE protection_events (
    id TEXT PRIMARY KEY,
    message_id TEXT NOT NULL,
    agent_email TEXT NOT NULL REFERENCES agents (email) ON DELETE CASCADE,
    direction TEXT NOT NULL,
    source TEXT NOT NULL,
    reason TEXT NOT NULL,
    action TEXT NOT NULL,
    subject_addr TEXT,
    detector TEXT,
    score DOUBLE PRECISION,
    categories TEXT NOT NULL DEFAULT '[]',
    created_at BIGINT NOT NULL
);
CREATE INDEX protection_events_by_message ON protection_events (message_id);

CREATE TABLE events (
    seq {serial},
    id TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    type TEXT NOT NULL,
    agent_email TEXT,
    conversation_id TEXT,
    message_id TEXT,
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX events_by_account ON events (account_id, created_at, id);
CREATE INDEX events_by_message ON events (message_id);

CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    dedupe_key TEXT UNIQUE,
    payload TEXT NOT NULL,
    run_at BIGINT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at BIGINT NOT NULL, -- run_at, or the end of the lease of the process at work on it
    lease TEXT,
    last_error TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX jobs_due ON jobs (kind, due_at, id);

CREATE TABLE idempotency (
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    namespace TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status INTEGER,
    response TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, namespace, key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);

-- only sqlite
CREATE VIRTUAL TABLE message_search USING fts5 (subject, addresses, body, tokenize = 'unicode61 remove_diacritics 2');
-- end

-- only postgresql
CREATE TABLE message_search (
    message_id TEXT PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    document TSVECTOR NOT NULL
);
CREATE INDEX message_search_document ON message_search USING gin (document);
-- end
