-- How far the listener of an inbox has acknowledged what its WebSocket told: a place in the event log.

CREATE TABLE websocket_acks (
    agent_email TEXT PRIMARY KEY REFERENCES agents (email) ON DELETE CASCADE,
    xid BIGINT NOT NULL,
    seq BIGINT NOT NULL
);
