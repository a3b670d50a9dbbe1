"""One router per resource of the API."""

from __future__ import annotations

from e2a_core.http.routes import (
    account,
    agents,
    contacts,
    conversations,
    domains,
    messages,
    meta,
    metrics,
    reviews,
    suppressions,
    templates,
)

__all__ = ["ROUTERS"]

# Requests are matched in this order, so what is asked most comes first.
ROUTERS = (
    messages.router,
    meta.router,
    account.router,
    agents.router,
    conversations.router,
    reviews.router,
    domains.router,
    templates.router,
    suppressions.router,
    contacts.router,
    metrics.router,
)
