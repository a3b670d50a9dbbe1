"""Loaded by schemathesis itself: leaves out what a schema cannot say of this API."""

from __future__ import annotations

from typing import Any

import schemathesis

__all__ = ["filter_query"]


@schemathesis.hook
def filter_query(context: Any, query: Any) -> bool:
    """An empty value counts as an absent one, which no schema of the value can allow."""
    return not query or "" not in query.values()
