-- Whom people are at an issuer of OpenID Connect.

CREATE TABLE identities (
    id TEXT PRIMARY KEY,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    person_id TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    key_id TEXT REFERENCES api_keys (id) ON DELETE CASCADE, -- the API key whose session connected it, which it ends with
    label TEXT NOT NULL, -- what the issuer calls them, to be shown
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    UNIQUE (issuer, subject)
);
CREATE INDEX identities_by_person ON identities (person_id);
CREATE INDEX identities_by_key ON identities (key_id);
