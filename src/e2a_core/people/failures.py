"""Sign-ins that failed: each is counted and told in the log of the process, and is in the audit log of the account.

Whose it was is found by what was given, also if that is used, revoked or expired. Somebody may fail on purpose, so the
audit log takes `MAX_LOGGED` an hour. Nothing that was given is logged.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from e2a_core.accounts.credentials import MAX_CREDENTIAL_CHARS, hash_key
from e2a_core.audit.entry import Entry, by_principal
from e2a_core.audit.log import AuditLog
from e2a_core.clock import to_micros
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.errors import StoreUnavailable
from e2a_core.observer import Observer, SignInWay
from e2a_core.people import failure_queries, queries
from e2a_core.people.queries import person_from
from e2a_core.people.sessions import person_principal
from e2a_core.store.statement import Row, Statement, first

__all__ = ["LOGGED_WITHIN", "MAX_LOGGED", "FailedSignIns", "Known"]

MAX_LOGGED = 20
"""Of one account within `LOGGED_WITHIN`: enough to see that somebody tries."""
LOGGED_WITHIN = timedelta(hours=1)
_CREDENTIAL_ID = re.compile(r"[\w-]{1,1400}", re.ASCII)
"""Up to 1,023 octets in base64url (Web Authentication level 3, section 4)."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an attempt at an issuer: who began it, the link that it was to use up, and who came back."""

    person_id: str | None = None
    link_hash: str = ""
    subject: str = ""


class FailedSignIns:
    """The failed sign-ins of a deployment. `code` is that of the error, `peer` the address of the caller."""

    def __init__(self, core: Core, audit: AuditLog, observer: Observer) -> None:
        self._core = core
        self._audit = audit
        self._observer = observer
        self._logging = asyncio.Lock()

    async def by_link(self, link_hash: str, code: str, peer: str) -> None:
        await self._told("link", code, peer, queries.link_person(link_hash))

    async def by_key(self, key: str, code: str, peer: str) -> None:
        whose = failure_queries.key(hash_key(key)) if 0 < len(key) <= MAX_CREDENTIAL_CHARS else None
        await self._told("api_key", code, peer, whose)

    async def by_passkey(self, credential: str, code: str, peer: str) -> None:
        credential_id = _credential_id(credential)
        whose = failure_queries.person_of_passkey(credential_id) if credential_id else None
        await self._told("passkey", code, peer, whose)

    async def by_issuer(self, code: str, peer: str, known: Known | None = None) -> None:
        whose = None
        if known is not None and known.person_id is not None:
            whose = failure_queries.person(known.person_id)
        elif known is not None and known.link_hash:
            whose = queries.link_person(known.link_hash)
        elif known is not None and known.subject:
            whose = failure_queries.person_of_identity(self._core.settings.oidc_issuer, known.subject)
        await self._told("issuer", code, peer, whose)

    async def _told(self, way: SignInWay, code: str, peer: str, whose: Statement | None) -> None:
        self._observer.failed_sign_in(way)
        _log.warning("a sign-in by %s from %s failed: %s", way, peer, code)
        if whose is None:
            return
        # What cannot be logged is told above, and the answer is the same.
        with suppress(StoreUnavailable):
            row = first(await self._core.db.read(whose))
            if row is not None:
                await self._record(replace(_ENTRIES[way](row), outcome="refused", code=code))

    async def _record(self, entry: Entry) -> None:
        since = to_micros(self._core.clock.now() - LOGGED_WITHIN)
        async with self._logging:
            [row] = await self._core.db.read(failure_queries.failed_since(entry.account_id, since))
            if row["count"] < MAX_LOGGED:
                await self._audit.record(entry)


def _of_person(row: Row) -> Entry:
    return by_principal(person_principal(person_from(row)), "sign_in")


def _of_passkey(row: Row) -> Entry:
    return replace(_of_person(row), subjects={"passkey_id": row["passkey_id"]})


def _of_key(row: Row) -> Entry:
    principal = Principal(
        account_id=row["account_id"],
        account_email=row["account_email"],
        scope=row["scope"],
        agent_email=row["agent_email"],
        credential_id=row["id"],
        door="dashboard",
    )
    return by_principal(principal, "sign_in", {"key_id": row["id"]})


_ENTRIES: Mapping[SignInWay, Callable[[Row], Entry]] = {
    "link": _of_person,
    "api_key": _of_key,
    "passkey": _of_passkey,
    "issuer": _of_person,
}


def _credential_id(credential: str) -> str:
    """The passkey that a device's answer names; empty if it names none."""
    try:
        given = json.loads(credential)
    except (ValueError, RecursionError):
        return ""
    found = given.get("rawId") if isinstance(given, dict) else None
    usable = isinstance(found, str) and _CREDENTIAL_ID.fullmatch(found)
    return str(found) if usable else ""
