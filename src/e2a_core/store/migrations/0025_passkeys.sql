-- Passkeys of people, and sign-ins under way. Of the secret of an attempt only its SHA-256 is kept.

CREATE TABLE passkeys (
    id TEXT PRIMARY KEY,
    person_id TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    key_id TEXT REFERENCES api_keys (id) ON DELETE CASCADE, -- the API key whose session added it, which it ends with
    credential_id TEXT NOT NULL UNIQUE, -- base64url
    public_key TEXT NOT NULL, -- COSE (RFC 9052) in base64url
    sign_count BIGINT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX passkeys_by_person ON passkeys (person_id);
CREATE INDEX passkeys_by_key ON passkeys (key_id);

CREATE TABLE sign_in_attempts (
    token_hash TEXT PRIMARY KEY,
    kind TEXT NOT NULL, -- what it may be used for
    person_id TEXT REFERENCES people (id) ON DELETE CASCADE, -- of an attempt to add a way in
    details TEXT NOT NULL, -- JSON: the challenge, or what the issuer must repeat
    expires_at BIGINT NOT NULL
);
CREATE INDEX sign_in_attempts_by_person ON sign_in_attempts (person_id);
CREATE INDEX sign_in_attempts_by_expiry ON sign_in_attempts (expires_at);
