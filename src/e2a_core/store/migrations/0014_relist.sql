-- Mail stored before keeps the list of attachments that an older reader made: a job reads it again. A later change of
-- what counts as an attachment adds such a job too.
INSERT INTO jobs (id, kind, payload, run_at, due_at, created_at)
SELECT 'job_relist_0014', 'relist', '{}', 0, 0, 0 WHERE EXISTS (SELECT 1 FROM messages);
