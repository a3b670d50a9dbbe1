-- Before this nothing is sent, because the receiver asked to be left alone (Retry-After).
ALTER TABLE webhooks ADD COLUMN resumes_at BIGINT;
