"""SQLite: one writer, many readers, in WAL mode."""
