-- The agent of this deployment that is proven to have written a received message, for lists to name it.
ALTER TABLE messages ADD COLUMN author_agent TEXT;
UPDATE messages SET author_agent = sender
    WHERE direction = 'inbound' AND auth_headers LIKE '%"X-E2A-Auth-Entity-Type":"agent"%'
    AND auth_headers LIKE '%"X-E2A-Auth-Sender":"' || sender || '"%';
