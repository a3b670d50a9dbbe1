-- The instant of the next action that nobody was told of yet (contact.due), and why mail of a domain cannot be signed.
ALTER TABLE engagements ADD COLUMN due_at BIGINT;
UPDATE engagements SET due_at = next_action_at;
DROP INDEX engagements_due;
CREATE INDEX engagements_due ON engagements (due_at) WHERE due_at IS NOT NULL;
ALTER TABLE domains ADD COLUMN sending_failure TEXT;
