"""The audit log: who did what, by which door, in a chain of hashes that shows what was changed or removed."""
