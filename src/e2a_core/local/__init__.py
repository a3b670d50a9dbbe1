"""The local engine: the full relay in this process, its home and its lease."""
