-- The display name of the author, for lists and filters.
ALTER TABLE messages ADD COLUMN from_name TEXT NOT NULL DEFAULT '';
