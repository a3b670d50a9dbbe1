-- The audit log: what people and account credentials did, in a chain of hashes for each account.

CREATE TABLE audit_log (
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    number BIGINT NOT NULL, -- from 1, without gaps
    at BIGINT NOT NULL,
    actor TEXT NOT NULL, -- the id of the credential
    actor_kind TEXT NOT NULL,
    person TEXT NOT NULL, -- empty where it is not known
    door TEXT NOT NULL,
    operation TEXT NOT NULL,
    subjects TEXT NOT NULL, -- JSON: ids by what they are of
    outcome TEXT NOT NULL,
    code TEXT NOT NULL, -- of the error; empty without one
    hash TEXT NOT NULL, -- over this row and the hash of the one before
    PRIMARY KEY (account_id, number)
);
CREATE INDEX audit_log_by_actor ON audit_log (account_id, actor, number);
CREATE INDEX audit_log_by_person ON audit_log (account_id, person, number);
CREATE INDEX audit_log_by_operation ON audit_log (account_id, operation, number);
CREATE INDEX audit_log_by_time ON audit_log (account_id, at, number);

CREATE TABLE audit_heads (
    account_id TEXT PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    anchor BIGINT NOT NULL, -- the number of the last row that retention deleted, with its hash
    anchor_hash TEXT NOT NULL,
    number BIGINT NOT NULL, -- of the last row, with its hash
    hash TEXT NOT NULL,
    mac TEXT NOT NULL -- over all of these, with a key that is not in the database
);

-- Operations under way: what a crash leaves here is logged with an unknown outcome.
CREATE TABLE audit_open (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    person TEXT NOT NULL,
    door TEXT NOT NULL,
    operation TEXT NOT NULL,
    subjects TEXT NOT NULL
);
CREATE INDEX audit_open_by_time ON audit_open (at);
CREATE INDEX audit_open_by_account ON audit_open (account_id);
