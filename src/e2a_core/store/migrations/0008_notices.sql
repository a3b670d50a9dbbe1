-- Holds whose owner was told of them, and when the last such mail to an account went out.
CREATE TABLE hold_notices (
    message_id TEXT PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    told_at BIGINT NOT NULL
);
CREATE TABLE notice_pace (
    account_id TEXT PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    sent_at BIGINT NOT NULL,
    streak INTEGER NOT NULL
);
