"""Local parts that represent the domain itself and cannot be chosen for an agent.

They are the role names of RFC 2142, the names certificate authorities use to validate a domain, the names that programs
trust below a domain without asking, and the senders of mail systems. The business names of RFC 2142 section 3 (`sales`,
`support`, `info`, `marketing`) are available: they are what an agent is for, and no authority accepts them any more.
"""

from __future__ import annotations

import unicodedata

from e2a_core.mail.addresses import split_plus

__all__ = [
    "NOTICE_LOCAL",
    "POSTMASTER",
    "RESERVED",
    "RETURN_LOCAL",
    "ROLES",
    "is_account_only",
    "is_notice_address",
    "is_reserved",
    "is_role_address",
    "skeleton",
]

POSTMASTER = "postmaster"
ROLES = frozenset({POSTMASTER, "abuse"})
"""Addresses every mail domain has (RFC 5321 section 4.5.1, RFC 2142 section 4); they belong to the domain's owner."""
NOTICE_LOCAL = "hitl-noreply"
"""Sender of hold notices to owners. Answers and bounces may quote the secret links, so this inbox is not readable."""
RETURN_LOCAL = "bounce"
"""Local part, before the tag, of the addresses that reports about sent mail come back to."""

RESERVED = ROLES | {
    NOTICE_LOCAL,
    RETURN_LOCAL,
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
    # CA/Browser Forum Baseline Requirements 3.2.2.4.4, and names that authorities accepted earlier (CERT VU#591120).
    "admin",
    "administrator",
    "is",
    "it",
    "mis",
    "root",
    "ssladmin",
    "ssladministrator",
    "sslcertificates",
    "sslwebmaster",
    "sysadmin",
    # What mail clients, browsers and servers look up below a domain and then trust: settings of accounts (Outlook,
    # Thunderbird), proxies, tunnels (RFC 5214) and TLS policies (RFC 8461).
    "autoconfig",
    "autodiscover",
    "isatap",
    "mta-sts",
    "wpad",
    # The sender names of mail systems.
    "daemon",
    "mail-daemon",
    "mailer-daemon",
}
"""Local parts that cannot be chosen for an agent."""


_LOOK_ALIKES = str.maketrans("авекмнорстухѕіјһԁԝοαρτυνικεıđ", "abekmhopctyxsijhdwoaptuvikeid")
"""Cyrillic, Greek and Latin letters that readers take for those of the names above (Unicode TR 39)."""


def is_reserved(local: str) -> bool:
    """Whether `local` reads as one of `RESERVED`, as `skeleton` tells."""
    return skeleton(local) in _SKELETONS


def skeleton(local: str) -> str:
    """What is read in a local part, whatever its case, width, accents, quotes, separators or tag."""
    plain = unicodedata.normalize("NFKD", local).casefold().strip('" ')
    letters = split_plus(plain)[0].translate(_LOOK_ALIKES)
    return "".join(character for character in letters if character.isalnum())


_SKELETONS = frozenset(map(skeleton, RESERVED))


def is_role_address(email: str) -> bool:
    """Whether the local part of a normalised address is one of `ROLES`, ignoring a tag."""
    return _mailbox(email) in ROLES


def is_notice_address(email: str) -> bool:
    """Whether a normalised address is its domain's sender of hold notices."""
    return _mailbox(email) == NOTICE_LOCAL


def is_account_only(email: str) -> bool:
    """Whether only account credentials, not agent credentials, may act for this normalised address."""
    return _mailbox(email) in ROLES | {NOTICE_LOCAL}


def _mailbox(email: str) -> str:
    return split_plus(email.rpartition("@")[0])[0]
