-- What the whole API keeps besides mail: templates, suppressions, contacts, and the counters replicas share.

CREATE TABLE templates (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    alias TEXT,
    subject TEXT NOT NULL,
    text TEXT NOT NULL,
    html TEXT,
    from_starter_alias TEXT,
    from_starter_version TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (account_id, alias)
);
CREATE INDEX templates_by_account ON templates (account_id, created_at, id);

CREATE TABLE suppressions (
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    source TEXT NOT NULL,
    reason TEXT,
    source_message_id TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, address)
);

-- Kept by address, not by agent row: an agent made again under the same address is still unwanted.
CREATE TABLE agent_suppressions (
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    agent_email TEXT NOT NULL,
    address TEXT NOT NULL,
    source TEXT NOT NULL,
    reason TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, agent_email, address)
);

CREATE TABLE unsubscribe_tokens (
    token_hash TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    agent_email TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE import_batches (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    agent_email TEXT,
    created_at BIGINT NOT NULL
);

CREATE TABLE contacts (
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    display_name TEXT NOT NULL DEFAULT '',
    metadata TEXT NOT NULL DEFAULT '{}',
    source TEXT NOT NULL,
    import_batch_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, address)
);
CREATE INDEX contacts_by_account ON contacts (account_id, created_at, address);
CREATE INDEX contacts_by_batch ON contacts (import_batch_id);

CREATE TABLE engagements (
    agent_email TEXT NOT NULL REFERENCES agents (email) ON DELETE CASCADE,
    address TEXT NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    stage TEXT NOT NULL DEFAULT '',
    metadata TEXT NOT NULL DEFAULT '{}',
    next_action_at BIGINT,
    import_batch_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (agent_email, address)
);
CREATE INDEX engagements_by_agent ON engagements (agent_email, created_at, address);
CREATE INDEX engagements_due ON engagements (next_action_at) WHERE next_action_at IS NOT NULL;

-- When the key was first found in DNS; null until then and after it was found missing or changed.
ALTER TABLE dkim_keys ADD COLUMN published_at BIGINT;
CREATE INDEX domains_by_account ON domains (account_id, created_at, domain);
CREATE INDEX agents_by_registered_domain ON agents (registered_domain);

CREATE INDEX messages_scheduled ON messages (scheduled_at) WHERE scheduled_at IS NOT NULL;
CREATE INDEX lifecycle_by_time ON lifecycle (occurred_at);
CREATE INDEX message_recipients_by_address ON message_recipients (address);
CREATE INDEX messages_by_sender ON messages (sender, agent_email, created_at) WHERE direction = 'inbound';
