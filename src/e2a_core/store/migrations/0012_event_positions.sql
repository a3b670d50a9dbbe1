-- The transaction that appended an event: readers take events in the order of transaction and seq.

-- only postgresql
ALTER TABLE events ADD COLUMN xid BIGINT NOT NULL DEFAULT 0;
ALTER TABLE events ALTER COLUMN xid SET DEFAULT CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT);
CREATE INDEX events_by_position ON events (xid, seq);
-- end
