"""Whom an owner lets in: invitations, roles, and removal.

The account's own person, who has its address, is always an owner. So an account never loses its last one, however many
owners change each other at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from e2a_core.audit.entry import Entry, by_principal, shown
from e2a_core.audit.log import AuditLog
from e2a_core.clock import to_micros
from e2a_core.contract.principal import Principal, Role
from e2a_core.core import Core
from e2a_core.errors import Conflict, Forbidden, InvalidRecipient, InvalidRequest, NotFound
from e2a_core.mail.addresses import parse_address
from e2a_core.people import member_queries, queries
from e2a_core.people.links import ensure_person, new_link
from e2a_core.people.queries import PersonRow, person_from
from e2a_core.store.statement import Row, first
from e2a_core.texts import require_storable

__all__ = ["INVITATION_GOOD_FOR", "MAX_PEOPLE", "ROLES", "Invitation", "Member", "Membership"]

ROLES: tuple[Role, ...] = ("owner", "reviewer", "viewer")
INVITATION_GOOD_FOR = timedelta(days=7)
"""An invitation waits for somebody who may be away for a while."""
MAX_PEOPLE = 200
MAX_NAME_CHARS = 100


@dataclass(frozen=True, slots=True)
class Member:
    """One person as the others see them. `own` has the account's address; `seen_at` in microseconds."""

    person: PersonRow
    own: bool
    seen_at: int | None


@dataclass(frozen=True, slots=True)
class Invitation:
    """`url` signs the person in once."""

    person: PersonRow
    url: str


class Membership:
    """The people of one account, for one caller. What changes them raises `Forbidden` for all but owners."""

    def __init__(self, core: Core, principal: Principal) -> None:
        self._core = core
        self._principal = principal
        self._audit = AuditLog(core)

    async def list(self) -> list[Member]:
        rows = await self._core.db.read(member_queries.members(self._principal.account_id, MAX_PEOPLE))
        return [_member(row) for row in rows]

    async def invite(self, email: str, name: str, role: str) -> Invitation:
        """Adds a person, who gets in by the link that is returned.

        Raises `InvalidRequest`, and `Conflict` for who is there already.
        """
        async with self._audit.during(self._entry("invite_person")) as subjects:
            self._require_owner()
            given = _role(role)
            address = _address(email)
            if len(name) > MAX_NAME_CHARS or not name.isprintable():
                raise InvalidRequest(
                    f"a name has at most {MAX_NAME_CHARS} characters, all of them printable", location="name"
                )
            await self._require_new(address)
            person = await ensure_person(
                self._core,
                self._principal.account_id,
                role=given,
                email=address,
                name=require_storable(name, "name"),
            )
            subjects["person_id"] = person.id
            return await self._invitation(person)

    async def invite_again(self, person_id: str) -> Invitation:
        """Another link for a person; those made before stay good. Raises `NotFound`."""
        async with self._audit.during(self._entry("invite_person", person_id)):
            self._require_owner()
            return await self._invitation((await self._other(person_id)).person)

    async def invitee(self, person_id: str) -> PersonRow:
        """A person whom this caller may let in. Raises `NotFound`."""
        self._require_owner()
        return (await self._other(person_id)).person

    async def give_role(self, person_id: str, role: str) -> None:
        """Changes what a person may; they sign in again. Raises `NotFound`."""
        async with self._audit.during(self._entry("set_role", person_id)):
            self._require_owner()
            given = _role(role)
            await self._other(person_id)
            now = to_micros(self._core.clock.now())
            await self._core.db.write(
                [
                    member_queries.give_role(self._principal.account_id, person_id, given),
                    queries.revoke_of_person(person_id, now),
                ]
            )

    async def remove(self, person_id: str) -> None:
        """Removes a person; their sessions and links end at once. Raises `NotFound`."""
        async with self._audit.during(self._entry("remove_person", person_id)):
            self._require_owner()
            await self._other(person_id)
            await self._core.db.write([member_queries.delete_person(self._principal.account_id, person_id)])

    async def find(self, person_id: str) -> Member:
        """Raises `NotFound`."""
        row = first(await self._core.db.read(member_queries.person(self._principal.account_id, person_id)))
        if row is None:
            raise NotFound("no such person")
        return _member(row)

    async def _other(self, person_id: str) -> Member:
        """A person who can be changed."""
        found = await self.find(person_id)
        if found.own:
            raise Conflict("the account's own person is its last owner, and stays")
        return found

    async def _require_new(self, address: str) -> None:
        if address == self._principal.account_email:
            raise Conflict("this is the account's own address, which is an owner already")
        if first(await self._core.db.read(queries.person_by_email(self._principal.account_id, address))):
            raise Conflict("somebody with this address is there already")
        row = first(await self._core.db.read(member_queries.count_members(self._principal.account_id)))
        if row is not None and row["count"] >= MAX_PEOPLE:
            raise Conflict(f"an account has at most {MAX_PEOPLE} people")

    async def _invitation(self, person: PersonRow) -> Invitation:
        url, statement = new_link(self._core, person, INVITATION_GOOD_FOR)
        await self._core.db.write([statement])
        return Invitation(person, url)

    def _require_owner(self) -> None:
        if self._principal.role != "owner":
            raise Forbidden(f"a {self._principal.role} may not change who is let in: that is for owners")

    def _entry(self, operation: str, person_id: str = "") -> Entry:
        return by_principal(self._principal, operation, {"person_id": shown(person_id)} if person_id else {})


def _member(row: Row) -> Member:
    return Member(person_from(row), bool(row["own"]), row["seen_at"])


def _role(text: str) -> Role:
    for role in ROLES:
        if role == text:
            return role
    raise InvalidRequest("a role is owner, reviewer or viewer", location="role")


def _address(text: str) -> str:
    try:
        return parse_address(require_storable(text.strip(), "email")).normalized
    except InvalidRecipient as problem:
        raise InvalidRequest(problem.message, location="email") from None
