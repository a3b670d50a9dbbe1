-- Mail stored before 0010 keeps the words of its old index, in which text without blanks between words is one word: a job
-- makes the terms of its text again. A later change of the terms adds such a job too.
INSERT INTO jobs (id, kind, payload, run_at, due_at, created_at)
SELECT 'job_reindex_0020', 'reindex', '{"until":' || (SELECT max(seq) FROM messages) || '}', 0, 0, 0
WHERE EXISTS (SELECT 1 FROM messages);
