-- The text index holds terms (module messages.terms): distinct, without places, each standing for its whole text.
-- Mail indexed before keeps its words; the terms of inbox, labels, attachments, and parts of author and subject are made.

-- only sqlite
ALTER TABLE message_search RENAME TO message_words;
CREATE VIRTUAL TABLE message_search USING fts5 (
    head, body, labels, files, detail = none, columnsize = 0, tokenize = "ascii tokenchars '_'"
);
INSERT INTO message_search (rowid, head, body, labels, files)
WITH RECURSIVE place (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM place WHERE n < 1000)
SELECT m.seq,
    '_i' || lower(hex(m.agent_email)) || CASE WHEN m.attachments <> '[]' THEN ' _a ' ELSE ' ' END
    || w.subject || ' ' || w.addresses
    || COALESCE((SELECT ' ' || group_concat('_t' || lower(hex(substr(lower(m.sender), n, 3))), ' ') FROM place
        WHERE n <= length(m.sender) - 2), '')
    || COALESCE((SELECT ' ' || group_concat('_t' || lower(hex(substr(lower(m.subject), n, 3))), ' ') FROM place
        WHERE n <= length(m.subject) - 2), ''),
    w.body,
    COALESCE((SELECT group_concat('_l' || lower(hex(l.label)), ' ') FROM message_labels l WHERE l.message_id = m.id), ''),
    ''
FROM message_words w JOIN messages m ON m.seq = w.rowid;
DROP TABLE message_words;
-- end

-- only postgresql
ALTER TABLE message_search RENAME TO message_words;
DROP INDEX message_search_document;
CREATE TABLE message_search (
    seq BIGINT NOT NULL REFERENCES messages (seq) ON DELETE CASCADE,
    terms TSVECTOR NOT NULL,
    head TSVECTOR NOT NULL,
    PRIMARY KEY (seq)
);
INSERT INTO message_search (seq, terms, head)
SELECT m.seq, strip(w.document) || t.made, strip(ts_filter(w.document, '{a,b}')) || t.made
FROM message_words w JOIN messages m ON m.id = w.message_id, LATERAL (
    SELECT array_to_tsvector(array_agg(term)) AS made FROM (
        SELECT '_i' || encode(convert_to(m.agent_email, 'UTF8'), 'hex') AS term
        UNION SELECT '_b' || (m.seq / 4096)
        UNION SELECT '_a' WHERE m.attachments <> '[]'
        UNION SELECT '_l' || encode(convert_to(l.label, 'UTF8'), 'hex') FROM message_labels l WHERE l.message_id = m.id
        UNION SELECT '_t' || encode(convert_to(substr(lower(m.sender), n, 3), 'UTF8'), 'hex')
            FROM generate_series(1, length(m.sender) - 2) n
        UNION SELECT '_t' || encode(convert_to(substr(lower(m.subject), n, 3), 'UTF8'), 'hex')
            FROM generate_series(1, length(m.subject) - 2) n
    ) made
) t;
DROP TABLE message_words;
CREATE INDEX message_search_terms ON message_search USING gin (terms) WITH (fastupdate = on);
-- end
