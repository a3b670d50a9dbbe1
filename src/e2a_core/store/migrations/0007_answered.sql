-- When a received message was answered: set with the reply.
ALTER TABLE messages ADD COLUMN answered_at BIGINT;
