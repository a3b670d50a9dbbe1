"""SQL over protection configs, which are stored with their agents."""

from __future__ import annotations

from e2a_core.store.statement import Statement, sql

__all__ = ["store_config"]


def store_config(email: str, config: str) -> Statement:
    """Replaces the whole config of a live agent."""
    return sql(
        "UPDATE agents SET protection = :config WHERE email = :email AND deleted_at IS NULL",
        expect=1,
        email=email,
        config=config,
    )
