-- Whether a message left with a return path of its own for each recipient: then only the failing recipient's side can
-- report about one of several recipients.
ALTER TABLE messages ADD COLUMN return_paths INTEGER NOT NULL DEFAULT 0;
