"""Whom somebody at an issuer is here: bound by who is signed in or invited, by address only if a setting says so.

An identity is the pair of issuer and subject. Addresses are given to others; subjects are not (OpenID Connect Core
section 5.7).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from e2a_core.audit.entry import by_principal, shown
from e2a_core.audit.log import AuditLog
from e2a_core.clock import to_micros
from e2a_core.core import Core
from e2a_core.errors import Conflict, Forbidden, NotFound
from e2a_core.mail.addresses import normalize_addr_spec
from e2a_core.people import identity_queries, passkey_queries
from e2a_core.people.links import LinkUsed, ensure_person, open_hashed, use_of
from e2a_core.people.openid.id_token import Claims
from e2a_core.people.queries import PersonRow, SessionRow, person_from
from e2a_core.people.sessions import NewSession, new_session, person_principal
from e2a_core.store.statement import Statement, first

__all__ = ["Identities", "Identity"]

MAX_IDENTITIES = 20
"""Of one person."""
_STRANGER = (
    "nobody here is known by this sign-in, so nobody was signed in; open your invitation and continue from there, "
    "or sign in another way and connect it under Signing in"
)
_TAKEN = "somebody here has this sign-in already"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """One as its person sees it; instants in microseconds."""

    id: str
    issuer: str
    label: str
    created_at: int
    last_used_at: int | None


class Identities:
    """The identities of the people of a deployment."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._audit = AuditLog(core)

    async def list(self, person_id: str) -> list[Identity]:
        rows = await self._core.db.read(identity_queries.identities(person_id, MAX_IDENTITIES))
        return [
            Identity(row["id"], row["issuer"], row["label"], row["created_at"], row["last_used_at"])
            for row in rows
        ]

    async def sign_in(self, claims: Claims, user_agent: str) -> NewSession:
        """Opens a session of the person. Raises `Forbidden` for a stranger, of whom nothing is kept."""
        issuer = self._core.settings.oidc_issuer
        row = first(await self._core.db.read(identity_queries.identity(issuer, claims.subject, self._now())))
        if row is None:
            return await self._sign_in_by_email(claims, user_agent)
        session = new_session(self._core, person_from(row), user_agent=user_agent, key_id=row["key_id"])
        async with self._core.db.transaction() as transaction:
            [used] = await transaction.write([identity_queries.record_use(row["identity_id"], self._now())])
            if not used.rowcount:
                raise Forbidden(_STRANGER)
            await transaction.write([session.statement])
        return session

    async def accept(self, claims: Claims, link_hash: str, user_agent: str) -> NewSession:
        """Uses a sign-in link up, and binds the identity to its person. Raises as `open_hashed`, and `Conflict`."""
        person = await open_hashed(self._core, link_hash)
        return await self._bind(claims, person, user_agent, [use_of(self._core, link_hash)])

    async def connect(self, claims: Claims, who: SessionRow) -> None:
        """Binds the identity to who is signed in. Raises `Conflict` if it is somebody's."""
        entry = by_principal(person_principal(who.person), "connect_identity")
        async with self._audit.during(entry) as subjects:
            if len(await self.list(who.person.id)) >= MAX_IDENTITIES:
                raise Conflict(f"a person has at most {MAX_IDENTITIES} such sign-ins")
            identity_id, statement = self._bound(claims, who.person, who.key_id)
            [added] = await self._core.db.write([statement])
            if not added.rowcount:
                raise Conflict(_TAKEN)
            subjects["identity_id"] = identity_id

    async def disconnect(self, who: SessionRow, identity_id: str) -> None:
        """Forgets an identity and ends the person's other sessions, which it may have opened. Raises `NotFound`."""
        entry = by_principal(
            person_principal(who.person), "disconnect_identity", {"identity_id": shown(identity_id)}
        )
        async with self._audit.during(entry):
            [removed, _] = await self._core.db.write(
                [
                    identity_queries.delete_identity(who.person.id, identity_id),
                    passkey_queries.revoke_others(who.person.id, who.id, self._now()),
                ]
            )
            if not removed.rowcount:
                raise NotFound("no such sign-in")

    async def _sign_in_by_email(self, claims: Claims, user_agent: str) -> NewSession:
        person = None
        if self._core.settings.oidc_match_email and claims.email:
            person = await self._person_of(normalize_addr_spec(claims.email))
        if person is None:
            _log.info("a stranger of the issuer was not signed in")
            raise Forbidden(_STRANGER)
        return await self._bind(claims, person, user_agent, [])

    async def _person_of(self, email: str) -> PersonRow | None:
        """The one person of all accounts who has the address."""
        [people, accounts] = await self._core.db.read(
            [identity_queries.people_by_email(email), identity_queries.accounts_by_email(email)]
        )
        if len(people) + len(accounts) != 1:
            return None
        if people:
            return person_from(people[0])
        return await ensure_person(self._core, accounts[0]["id"])

    async def _bind(
        self, claims: Claims, person: PersonRow, user_agent: str, first_of_all: Sequence[Statement]
    ) -> NewSession:
        """Opens a session and binds the identity, or neither: a link that was used is not enough."""
        session = new_session(self._core, person, user_agent=user_agent)
        identity_id, statement = self._bound(claims, person, None)
        entry = by_principal(person_principal(person), "connect_identity", {"identity_id": identity_id})
        async with self._audit.during(entry), self._core.db.transaction() as transaction:
            for used in await transaction.write(first_of_all) if first_of_all else []:
                if not used.rowcount:
                    raise LinkUsed
            [added] = await transaction.write([statement])
            if not added.rowcount:
                raise Conflict(_TAKEN)
            await transaction.write([session.statement])
        return session

    def _bound(self, claims: Claims, person: PersonRow, key_id: str | None) -> tuple[str, Statement]:
        identity_id = self._core.ids.new("idn")
        statement = identity_queries.insert_identity(
            identity_id,
            self._core.settings.oidc_issuer,
            claims.subject,
            person.id,
            key_id=key_id,
            label=claims.email or claims.name or "without a name",
            now=self._now(),
        )
        return identity_id, statement

    def _now(self) -> int:
        return to_micros(self._core.clock.now())
