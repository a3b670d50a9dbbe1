"""One-time sign-in links: each signs one person in, once, within minutes."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

from e2a_core.accounts.credentials import hash_key
from e2a_core.audit.entry import by_home
from e2a_core.audit.log import AuditLog
from e2a_core.clock import to_micros
from e2a_core.contract.principal import Role
from e2a_core.core import Core
from e2a_core.errors import InvalidRequest, NotFound
from e2a_core.mail.addresses import normalize_addr_spec
from e2a_core.people import queries
from e2a_core.people.queries import PersonRow, person_from
from e2a_core.people.sessions import MAX_TOKEN_CHARS, NewSession, new_session
from e2a_core.store.statement import Statement, first
from e2a_core.texts import require_storable

__all__ = [
    "LINK_GOOD_FOR",
    "LinkExpired",
    "LinkUnknown",
    "LinkUsed",
    "ensure_person",
    "mint_link",
    "new_link",
    "open_hashed",
    "open_link",
    "redeem",
    "use_of",
]

LINK_GOOD_FOR = timedelta(minutes=15)
_PREFIX = "e2a_in_"


class LinkUnknown(Exception):
    """No such link was made, or it was altered."""

    code = "link_unknown"


class LinkUsed(Exception):
    """The link has signed somebody in already."""

    code = "link_used"


class LinkExpired(Exception):
    """The link was not used in time."""

    code = "link_expired"


async def mint_link(
    core: Core, account_id: str, *, role: Role = "owner", email: str = "", name: str = ""
) -> str:
    """Returns the URL of a new link; the account's own person is meant if no address is given.

    A person who is there already has `role` from now on, and signs in again if that is another one.
    Raises `InvalidRequest` for a reviewer or viewer without an
    address, or with that of the account, whose own person is an owner; and `NotFound` if the account does not exist.
    """
    audit = AuditLog(core)
    person = await ensure_person(core, account_id, role=role, email=email, name=name)
    if person.role != role:
        async with audit.during(by_home(account_id, "set_role", {"person_id": person.id})):
            ended = queries.revoke_of_person(person.id, to_micros(core.clock.now()))
            await core.db.write([queries.set_role(person.id, role), ended])
    url, statement = new_link(core, person, LINK_GOOD_FOR)
    async with audit.during(by_home(account_id, "create_sign_in_link", {"person_id": person.id})):
        await core.db.write([statement])
    return url


def new_link(core: Core, person: PersonRow, good_for: timedelta) -> tuple[str, Statement]:
    """The URL of a link that is good once its statement is committed."""
    token = _PREFIX + core.ids.secret()
    now = core.clock.now()
    statement = queries.insert_link(hash_key(token), person.id, to_micros(now), to_micros(now + good_for))
    return f"{core.links.base_url}/sign-in?t={quote(token)}", statement


async def ensure_person(
    core: Core, account_id: str, *, role: Role = "owner", email: str = "", name: str = ""
) -> PersonRow:
    """Returns the person of that address, who is made with `role` if missing. Raises as `mint_link`."""
    address = normalize_addr_spec(require_storable(email, "email")) or None
    own = await _person(core, account_id, None)
    if own is None:
        made = queries.insert_person(
            core.ids.new("per"), account_id, None, "", "owner", to_micros(core.clock.now())
        )
        await core.db.write([made])
        own = await _person(core, account_id, None)
    if own is None:
        raise NotFound("no such account")
    if address is None or address == own.account_email:
        if role != "owner":
            raise InvalidRequest("a reviewer or viewer needs an address of their own", location="email")
        return own
    now = to_micros(core.clock.now())
    await core.db.write(
        [queries.insert_person(core.ids.new("per"), account_id, address, name.strip(), role, now)]
    )
    person = await _person(core, account_id, address)
    if person is None:
        raise NotFound("no such person")
    return person


async def open_link(core: Core, token: str) -> PersonRow:
    """Returns whom a link signs in, without using it. Raises `LinkUnknown`, `LinkUsed` and `LinkExpired`."""
    if not _plausible(token):
        raise LinkUnknown
    return await open_hashed(core, hash_key(token))


async def open_hashed(core: Core, token_hash: str) -> PersonRow:
    """As `open_link`, for who keeps no token."""
    found = first(await core.db.read(queries.link_person(token_hash)))
    if found is None:
        raise LinkUnknown
    if found["used_at"] is not None:
        raise LinkUsed
    if found["link_expires_at"] <= to_micros(core.clock.now()):
        raise LinkExpired
    return person_from(found)


async def redeem(core: Core, token: str, user_agent: str) -> NewSession:
    """Uses a link up and opens its session, in one transaction. Raises as `open_link`."""
    person = await open_link(core, token)
    session = new_session(core, person, user_agent=user_agent)
    async with core.db.transaction() as transaction:
        [used] = await transaction.write([queries.use_link(hash_key(token), to_micros(core.clock.now()))])
        if not used.rowcount:
            raise LinkUsed
        await transaction.write([session.statement])
    return session


def use_of(core: Core, token_hash: str) -> Statement:
    """Uses a link up, together with what it is used for. Affects no row if that was done before."""
    return queries.use_link(token_hash, to_micros(core.clock.now()))


async def _person(core: Core, account_id: str, email: str | None) -> PersonRow | None:
    found = first(await core.db.read(queries.person_by_email(account_id, email)))
    return None if found is None else person_from(found)


def _plausible(token: str) -> bool:
    return token.startswith(_PREFIX) and len(token) <= MAX_TOKEN_CHARS
