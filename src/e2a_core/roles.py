"""The SQL of `mail.roles`: which inboxes somebody made, and which the deployment has by itself."""

from __future__ import annotations

from e2a_core.mail.roles import NOTICE_LOCAL, ROLES

__all__ = ["NOT_A_ROLE", "SYSTEM_ACCOUNT", "beside_notices"]

SYSTEM_ACCOUNT = "usr_system"
"""Owns what is the deployment's own; it has no keys, and no id that is made at random is this one."""


def _none_of(column: str, *locals_: str) -> str:
    return " AND ".join(
        f"{column} NOT LIKE '{local}{rest}'" for local in sorted(locals_) for rest in ("@%", "+%@%")
    )


def beside_notices(column: str) -> str:
    """A condition on an inbox's address; the SQL of `not mail.roles.is_notice_address`."""
    return _none_of(column, NOTICE_LOCAL)


NOT_A_ROLE = _none_of("a.email", *ROLES, NOTICE_LOCAL)
"""Of `agents a`: those that somebody made for an agent; the SQL of `mail.roles.is_account_only`."""
