-- What was read from an attachment, for agents to read in pages. `text` is empty unless `outcome` is text; `terms` are
-- those of module messages.terms, each after a blank, by which a search names the file.
CREATE TABLE attachment_texts (
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    attachment_index INTEGER NOT NULL,
    filename TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    outcome TEXT NOT NULL,
    text TEXT NOT NULL,
    terms TEXT NOT NULL,
    truncated SMALLINT NOT NULL,
    pages INTEGER,
    PRIMARY KEY (message_id, attachment_index)
);
CREATE INDEX attachment_texts_by_content ON attachment_texts (content_hash);
