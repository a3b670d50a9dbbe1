-- One row for each conversation with mail that its inbox shows. A conversation is the mail that shares a conversation
-- id; mail without one belongs to the conversation of its thread. The triggers keep the rows true whatever changes the
-- messages, deletion by cascade included.

CREATE TABLE conversations (
    agent_email TEXT NOT NULL REFERENCES agents (email) ON DELETE CASCADE,
    id TEXT NOT NULL,
    message_count BIGINT NOT NULL,
    inbound_count BIGINT NOT NULL,
    unread_count BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (agent_email, id)
);
CREATE INDEX conversations_latest ON conversations (agent_email, last_at, id);

DROP INDEX messages_conversation;
CREATE INDEX messages_conversation ON messages (agent_email, COALESCE(NULLIF(conversation_id, ''), thread_id), created_at);
DROP INDEX messages_thread;
CREATE INDEX messages_thread ON messages (agent_email, thread_id, created_at);

INSERT INTO conversations (agent_email, id, message_count, inbound_count, unread_count, first_at, last_at)
SELECT agent_email, COALESCE(NULLIF(conversation_id, ''), thread_id), count(*),
    sum(CASE WHEN direction = 'inbound' THEN 1 ELSE 0 END),
    sum(CASE WHEN direction = 'inbound' AND read_at IS NULL THEN 1 ELSE 0 END), min(created_at), max(created_at)
FROM messages WHERE deleted_at IS NULL AND hidden = 0
GROUP BY agent_email, COALESCE(NULLIF(conversation_id, ''), thread_id);

-- only sqlite
CREATE TRIGGER conversations_gain AFTER INSERT ON messages WHEN NEW.deleted_at IS NULL AND NEW.hidden = 0
BEGIN
    INSERT INTO conversations (agent_email, id, message_count, inbound_count, unread_count, first_at, last_at)
    VALUES (NEW.agent_email, COALESCE(NULLIF(NEW.conversation_id, ''), NEW.thread_id), 1, NEW.direction = 'inbound',
        NEW.direction = 'inbound' AND NEW.read_at IS NULL, NEW.created_at, NEW.created_at)
    ON CONFLICT (agent_email, id) DO UPDATE SET message_count = message_count + 1,
        inbound_count = inbound_count + excluded.inbound_count, unread_count = unread_count + excluded.unread_count,
        first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at);
END;

CREATE TRIGGER conversations_lose AFTER DELETE ON messages WHEN OLD.deleted_at IS NULL AND OLD.hidden = 0
BEGIN
    UPDATE conversations SET message_count = message_count - 1,
        inbound_count = inbound_count - (OLD.direction = 'inbound'),
        unread_count = unread_count - (OLD.direction = 'inbound' AND OLD.read_at IS NULL),
        first_at = COALESCE((SELECT m.created_at FROM messages m WHERE m.agent_email = OLD.agent_email
            AND COALESCE(NULLIF(m.conversation_id, ''), m.thread_id) = conversations.id
            AND m.deleted_at IS NULL AND m.hidden = 0 ORDER BY m.created_at LIMIT 1), 0),
        last_at = COALESCE((SELECT m.created_at FROM messages m WHERE m.agent_email = OLD.agent_email
            AND COALESCE(NULLIF(m.conversation_id, ''), m.thread_id) = conversations.id
            AND m.deleted_at IS NULL AND m.hidden = 0 ORDER BY m.created_at DESC LIMIT 1), 0)
    WHERE agent_email = OLD.agent_email AND id = COALESCE(NULLIF(OLD.conversation_id, ''), OLD.thread_id);
    DELETE FROM conversations WHERE agent_email = OLD.agent_email
        AND id = COALESCE(NULLIF(OLD.conversation_id, ''), OLD.thread_id) AND message_count < 1;
END;

CREATE TRIGGER conversations_read AFTER UPDATE OF read_at ON messages
WHEN NEW.deleted_at IS NULL AND NEW.hidden = 0 AND NEW.direction = 'inbound' AND (OLD.read_at IS NULL) <> (NEW.read_at IS NULL)
BEGIN
    UPDATE conversations SET unread_count = unread_count + (CASE WHEN NEW.read_at IS NULL THEN 1 ELSE -1 END)
    WHERE agent_email = NEW.agent_email AND id = COALESCE(NULLIF(NEW.conversation_id, ''), NEW.thread_id);
END;

-- Of an update that hides, shows or moves a message: what it leaves, then what it joins.
CREATE TRIGGER conversations_left AFTER UPDATE OF deleted_at, hidden, conversation_id, thread_id ON messages
WHEN OLD.deleted_at IS NULL AND OLD.hidden = 0 AND (NEW.deleted_at IS NOT NULL OR NEW.hidden <> 0
    OR COALESCE(NULLIF(NEW.conversation_id, ''), NEW.thread_id) <> COALESCE(NULLIF(OLD.conversation_id, ''), OLD.thread_id))
BEGIN
    UPDATE conversations SET message_count = message_count - 1,
        inbound_count = inbound_count - (OLD.direction = 'inbound'),
        unread_count = unread_count - (OLD.direction = 'inbound' AND OLD.read_at IS NULL),
        first_at = COALESCE((SELECT m.created_at FROM messages m WHERE m.agent_email = OLD.agent_email
            AND COALESCE(NULLIF(m.conversation_id, ''), m.thread_id) = conversations.id
            AND m.deleted_at IS NULL AND m.hidden = 0 ORDER BY m.created_at LIMIT 1), 0),
        last_at = COALESCE((SELECT m.created_at FROM messages m WHERE m.agent_email = OLD.agent_email
            AND COALESCE(NULLIF(m.conversation_id, ''), m.thread_id) = conversations.id
            AND m.deleted_at IS NULL AND m.hidden = 0 ORDER BY m.created_at DESC LIMIT 1), 0)
    WHERE agent_email = OLD.agent_email AND id = COALESCE(NULLIF(OLD.conversation_id, ''), OLD.thread_id);
    DELETE FROM conversations WHERE agent_email = OLD.agent_email
        AND id = COALESCE(NULLIF(OLD.conversation_id, ''), OLD.thread_id) AND message_count < 1;
END;

CREATE TRIGGER conversations_joined AFTER UPDATE OF deleted_at, hidden, conversation_id, thread_id ON messages
WHEN NEW.deleted_at IS NULL AND NEW.hidden = 0 AND (OLD.deleted_at IS NOT NULL OR OLD.hidden <> 0
    OR COALESCE(NULLIF(NEW.conversation_id, ''), NEW.thread_id) <> COALESCE(NULLIF(OLD.conversation_id, ''), OLD.thread_id))
BEGIN
    INSERT INTO conversations (agent_email, id, message_count, inbound_count, unread_count, first_at, last_at)
    VALUES (NEW.agent_email, COALESCE(NULLIF(NEW.conversation_id, ''), NEW.thread_id), 1, NEW.direction = 'inbound',
        NEW.direction = 'inbound' AND NEW.read_at IS NULL, NEW.created_at, NEW.created_at)
    ON CONFLICT (agent_email, id) DO UPDATE SET message_count = message_count + 1,
        inbound_count = inbound_count + excluded.inbound_count, unread_count = unread_count + excluded.unread_count,
        first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at);
END;
-- end

-- only postgresql
CREATE FUNCTION keep_conversations() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before TEXT;
    after TEXT;
    received INTEGER;
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.deleted_at IS NULL AND OLD.hidden = 0 THEN
        before := COALESCE(NULLIF(OLD.conversation_id, ''), OLD.thread_id);
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.deleted_at IS NULL AND NEW.hidden = 0 THEN
        after := COALESCE(NULLIF(NEW.conversation_id, ''), NEW.thread_id);
    END IF;
    IF before = after THEN
        IF NEW.direction = 'inbound' AND (OLD.read_at IS NULL) <> (NEW.read_at IS NULL) THEN
            UPDATE conversations SET unread_count = unread_count + (CASE WHEN NEW.read_at IS NULL THEN 1 ELSE -1 END)
            WHERE agent_email = NEW.agent_email AND id = after;
        END IF;
        RETURN NULL;
    END IF;
    IF before IS NOT NULL THEN
        received := CASE WHEN OLD.direction = 'inbound' THEN 1 ELSE 0 END;
        UPDATE conversations c SET message_count = message_count - 1, inbound_count = inbound_count - received,
            unread_count = unread_count - (CASE WHEN OLD.read_at IS NULL THEN received ELSE 0 END),
            first_at = COALESCE((SELECT m.created_at FROM messages m WHERE m.agent_email = OLD.agent_email
                AND COALESCE(NULLIF(m.conversation_id, ''), m.thread_id) = before
                AND m.deleted_at IS NULL AND m.hidden = 0 ORDER BY m.created_at LIMIT 1), 0),
            last_at = COALESCE((SELECT m.created_at FROM messages m WHERE m.agent_email = OLD.agent_email
                AND COALESCE(NULLIF(m.conversation_id, ''), m.thread_id) = before
                AND m.deleted_at IS NULL AND m.hidden = 0 ORDER BY m.created_at DESC LIMIT 1), 0)
        WHERE c.agent_email = OLD.agent_email AND c.id = before;
        DELETE FROM conversations WHERE agent_email = OLD.agent_email AND id = before AND message_count < 1;
    END IF;
    IF after IS NOT NULL THEN
        received := CASE WHEN NEW.direction = 'inbound' THEN 1 ELSE 0 END;
        INSERT INTO conversations (agent_email, id, message_count, inbound_count, unread_count, first_at, last_at)
        VALUES (NEW.agent_email, after, 1, received, CASE WHEN NEW.read_at IS NULL THEN received ELSE 0 END,
            NEW.created_at, NEW.created_at)
        ON CONFLICT (agent_email, id) DO UPDATE SET message_count = conversations.message_count + 1,
            inbound_count = conversations.inbound_count + excluded.inbound_count,
            unread_count = conversations.unread_count + excluded.unread_count,
            first_at = LEAST(conversations.first_at, excluded.first_at),
            last_at = GREATEST(conversations.last_at, excluded.last_at);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER conversations_kept
AFTER INSERT OR DELETE OR UPDATE OF deleted_at, hidden, read_at, conversation_id, thread_id ON messages
FOR EACH ROW EXECUTE FUNCTION keep_conversations();
-- end
