"""Local parts that stand for the domain itself, whoever would like to have them as an inbox.

Correspondents write to RFC 2142's names, certificate authorities prove a domain by some of them, and mail systems
write under others. Business names of RFC 2142 section 3 (`sales`, `support`, `info`, `marketing`) are not among them.
"""

from __future__ import annotations

import unicodedata

from e2a_core.mail.addresses import split_plus

__all__ = [
    "NOTICE_LOCAL",
    "POSTMASTER",
    "RESERVED",
    "ROLES",
    "is_account_only",
    "is_notice_address",
    "is_reserved",
    "is_role_address",
]

POSTMASTER = "postmaster"
ROLES = frozenset({POSTMASTER, "abuse"})
"""Every mail domain has these (RFC 5321 section 4.5.1, RFC 2142 section 4); they are the owner's, and no agent's."""
NOTICE_LOCAL = "hitl-noreply"
"""Under this name an owner is told of holds. Answers and bounces may quote the links, so nobody reads them."""

RESERVED = ROLES | {
    NOTICE_LOCAL,
    # RFC 2142 sections 4 and 5: network operations and services.
    "ftp",
    "hostmaster",
    "news",
    "noc",
    "security",
    "usenet",
    "uucp",
    "webmaster",
    "www",
    # CA/Browser Forum Baseline Requirements 3.2.2.4.4, and what authorities took before those.
    "admin",
    "administrator",
    "root",
    "ssladmin",
    "ssladministrator",
    "sslwebmaster",
    "sysadmin",
    # Who mail systems write as.
    "mailer-daemon",
}


def is_reserved(local: str) -> bool:
    """Whether `local` is one of `RESERVED` in any spelling: case, width, quotes, a tag after `+`."""
    plain = unicodedata.normalize("NFKC", local).casefold().strip('" ')
    return split_plus(plain)[0].strip() in RESERVED


def is_role_address(email: str) -> bool:
    """Whether a normalised address is one of `ROLES` at its domain, with a tag or without."""
    return _mailbox(email) in ROLES


def is_notice_address(email: str) -> bool:
    """Whether a normalised address is the sender of hold notices of its domain."""
    return _mailbox(email) == NOTICE_LOCAL


def is_account_only(email: str) -> bool:
    """Whether no agent credential may speak for this address."""
    return _mailbox(email) in ROLES | {NOTICE_LOCAL}


def _mailbox(email: str) -> str:
    return split_plus(email.rpartition("@")[0])[0]
