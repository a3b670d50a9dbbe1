"""JSON as it is stored and shown: compact, with every character as it is."""

from __future__ import annotations

import json

__all__ = ["compact_json"]

compact_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""`json.dumps` with these options would make an encoder for each value."""
