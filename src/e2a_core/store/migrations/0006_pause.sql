-- Since when an agent, or all agents of an account, send nothing.
ALTER TABLE agents ADD COLUMN paused_at BIGINT;
ALTER TABLE accounts ADD COLUMN paused_at BIGINT;
-- The credential with which a message was sent: if it is revoked, what waits is not sent.
ALTER TABLE messages ADD COLUMN credential_id TEXT;
