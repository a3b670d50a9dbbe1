"""SQL equivalents of `mail.roles`, which tells agents' inboxes from those the deployment creates itself."""

from __future__ import annotations

from e2a_core.mail.roles import NOTICE_LOCAL, ROLES

__all__ = ["NOT_A_ROLE", "SYSTEM_ACCOUNT", "beside_notices"]

SYSTEM_ACCOUNT = "usr_system"
"""The account that owns the deployment's own inboxes. It has no keys, and random ids never equal this one."""


def _none_of(column: str, *locals_: str) -> str:
    return " AND ".join(
        f"{column} NOT LIKE '{local}{rest}'" for local in sorted(locals_) for rest in ("@%", "+%@%")
    )


def beside_notices(column: str) -> str:
    """Returns an SQL condition equivalent to `not mail.roles.is_notice_address` for the address in `column`."""
    return _none_of(column, NOTICE_LOCAL)


NOT_A_ROLE = _none_of("a.email", *ROLES, NOTICE_LOCAL)
"""SQL condition for the inboxes of agents, in `agents a`: the negation of `mail.roles.is_account_only`."""
