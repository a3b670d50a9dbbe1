-- People who use the pages, the links they sign in with, and their sessions. Of every secret only its SHA-256 is kept.

CREATE TABLE people (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    email TEXT, -- none: the account's own person, who has the address of the account
    name TEXT NOT NULL DEFAULT '',
    role TEXT NOT NULL, -- owner, reviewer or viewer
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX people_by_email ON people (account_id, email);
CREATE UNIQUE INDEX people_of_accounts ON people (account_id) WHERE email IS NULL;

CREATE TABLE sign_in_links (
    token_hash TEXT PRIMARY KEY,
    person_id TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX sign_in_links_by_person ON sign_in_links (person_id);
CREATE INDEX sign_in_links_by_expiry ON sign_in_links (expires_at);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    token_hash TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    person_id TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    key_id TEXT REFERENCES api_keys (id) ON DELETE CASCADE, -- the API key it was opened with
    user_agent TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL, -- however busy it is
    revoked_at BIGINT
);
CREATE INDEX sessions_by_account ON sessions (account_id);
CREATE INDEX sessions_by_person ON sessions (person_id);
CREATE INDEX sessions_by_key ON sessions (key_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
