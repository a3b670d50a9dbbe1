-- The display names beside the addresses of To, Cc and Reply-To, as JSON; a message stored before is read for them.
ALTER TABLE messages ADD COLUMN names TEXT NOT NULL DEFAULT '[]';
