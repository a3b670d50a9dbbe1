"""The home: the folder of one deployment, and what its first start puts there.

Any number of processes may start on one home at once. Each thing is made by exactly one of them, and a start that
finds everything in place reads once and writes nothing.
"""

from __future__ import annotations

import stat
from pathlib import Path

from e2a_core.accounts.queries import account_by_email
from e2a_core.agents.events import emit
from e2a_core.audit.entry import by_home
from e2a_core.audit.log import AuditLog
from e2a_core.clock import Clock, to_micros
from e2a_core.contract.principal import HOME_CREDENTIAL, Door, Principal, Scope
from e2a_core.core import Core, Links, shared_resolver
from e2a_core.domains.queries import insert_shared_domain
from e2a_core.errors import Conflict, Forbidden, InvalidRequest, NotFound, SettingsError
from e2a_core.ids import Ids
from e2a_core.local import queries
from e2a_core.local.files import create_private
from e2a_core.mail.addresses import normalize_addr_spec
from e2a_core.mail.roles import is_account_only, is_notice_address
from e2a_core.secret_strength import MIN_BYTES
from e2a_core.settings import DEFAULT_OWNER, Settings
from e2a_core.signing.secrets import Secrets
from e2a_core.store.errors import UniqueViolation
from e2a_core.store.open import open_database
from e2a_core.store.private import FILE_MODE, FOLDER_MODE, is_open_to_others, make_private
from e2a_core.store.statement import first
from e2a_core.texts import is_storable

__all__ = ["DEFAULT_INBOX", "default_inbox", "home_principal", "home_secrets", "move_account", "open_home"]

DEFAULT_INBOX = "assistant"
"""The local part of the first inbox."""
SECRET_OCTETS = 32
_DEFAULT_OWNER = normalize_addr_spec(DEFAULT_OWNER)
_SECRET_FILE = "secret"
_CONFIG_FILE = "config.toml"
_OWN_FILES = frozenset({_SECRET_FILE, _CONFIG_FILE, "config.json", "e2a.db", "run.json", "lease"})
"""A folder that holds one of these is a home, and nobody else's."""


class _OwnedAlready(Exception):
    """Another process made the first account meanwhile."""


async def open_home(
    settings: Settings, clock: Clock, ids: Ids, *, first_owner: str = ""
) -> tuple[Core, list[str]]:
    """The shared parts of a process on this home, and what was made just now, one sentence each, for stderr.

    `first_owner` is the owner's address if the home is new, instead of that of the settings.

    Raises `SettingsError` for a home or database that cannot be used, `StoreUnavailable` when the database does not
    answer.
    """
    made = _make_folder(settings.home)
    secrets, made_secret = home_secrets(settings, ids)
    database = await open_database(
        settings.effective_database_url, migration_mode=settings.migration_mode, clock=clock
    )
    resolver, links = shared_resolver(settings, clock), Links(settings.public_url)
    core = Core(settings, clock, ids, secrets, database, resolver, links=links)
    try:
        made_rows = await _ensure_rows(core, first_owner or settings.owner_email)
    except BaseException:
        await database.close()
        raise
    return core, [*made, *made_secret, *made_rows]


def home_secrets(settings: Settings, ids: Ids) -> tuple[Secrets, list[str]]:
    """The configured secrets, else the one kept in the home, which is made if missing; and what was made."""
    if settings.hmac_secret:
        return Secrets.parse(settings.hmac_secret), []
    path = settings.home / _SECRET_FILE
    made: list[str] = []
    try:
        if not path.exists() and create_private(path, ids.secret(SECRET_OCTETS) + "\n"):
            made = [f"made the signing secret {path}"]
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsError(f"the signing secret {path} cannot be used: {problem}") from None
    if len(text) < MIN_BYTES:
        raise SettingsError(
            f"the signing secret {path} is damaged: restore it, or delete it to have a new one made"
        )
    return Secrets((text.encode(),)), made


async def home_principal(
    core: Core, *, agent_email: str | None = None, scope: Scope = "agent", door: Door = "command"
) -> Principal:
    """The owner of the home's files, acting as one inbox: the named one, else the deployment owner's oldest.

    Whoever can read the files can act for every account in them, so a named inbox may be anybody's. Raises
    `NotFound` when the inbox is not there; only an account session may do without one. Raises `Forbidden` when an
    agent session names a mailbox that is the owner's.
    """
    row = None
    named = normalize_addr_spec(agent_email) if agent_email else ""
    if not agent_email:
        row = first(await core.db.read(queries.owner_inbox(core.settings.shared_domain)))
    elif is_storable(named) and not is_notice_address(named):
        row = first(await core.db.read(queries.named_inbox(named)))
    if row is None or (row["inbox"] is None and scope == "agent"):
        raise NotFound(await _no_inbox(core, agent_email))
    if scope == "agent" and is_account_only(named):
        raise Forbidden(f"{named} is read with an account session only: set E2A_MCP_SCOPE=account")
    return Principal(
        account_id=row["account_id"],
        account_email=row["account_email"],
        scope=scope,
        agent_email=row["inbox"],
        credential_id=HOME_CREDENTIAL,
        door=door,
    )


async def _no_inbox(core: Core, named: str | None) -> str:
    """What to tell an owner whose inbox is not there: it names the default one, which was probably meant."""
    if not named:
        return "this home has no inbox"
    row = first(await core.db.read(queries.owner_inbox(core.settings.shared_domain)))
    default = f"; its default inbox is {row['inbox']}" if row is not None and row["inbox"] else ""
    return f"this home has no inbox {named}{default}"


async def default_inbox(core: Core) -> str:
    """The address of the deployment owner's oldest live inbox. Raises `NotFound`."""
    row = first(await core.db.read(queries.owner_inbox(core.settings.shared_domain)))
    if row is None or row["inbox"] is None:
        raise NotFound("this home has no inbox")
    return str(row["inbox"])


def _make_folder(home: Path) -> list[str]:
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        home.mkdir(mode=0o700)
    except FileExistsError:
        if home.is_dir():
            return _keep_private(home)
        raise SettingsError(f"E2A_HOME must be a folder, {home} is something else") from None
    except OSError as problem:
        raise SettingsError(f"E2A_HOME must be a folder that can be made: {problem}") from None
    return [f"made the home {home}"]


def _keep_private(home: Path) -> list[str]:
    """Closes a home that is open to others. A folder that others use too (`/tmp`, a home directory) is refused."""
    try:
        names = {item.name for item in home.iterdir()}
        is_shared = home.stat().st_mode & stat.S_ISVTX or (names and not names & _OWN_FILES)
        if is_shared and is_open_to_others(home):
            raise SettingsError(
                f"E2A_HOME must be a folder of its own with mode 0700, {home} is open to others"
            )
    except OSError as problem:
        raise SettingsError(f"E2A_HOME must be a folder that can be read: {problem}") from None
    return [
        *make_private(home, FOLDER_MODE),
        *make_private(home / _SECRET_FILE, FILE_MODE),
        *make_private(home / _CONFIG_FILE, FILE_MODE),
    ]


async def _ensure_rows(core: Core, first_owner: str) -> list[str]:
    marks = {row["key"]: row["value"] for row in await core.db.read(queries.marks())}
    if queries.OWNER_ACCOUNT not in marks:
        return await _make_owner(core, first_owner)
    owner = marks[queries.OWNER_ACCOUNT]
    moved = await _move_owner(core, owner, marks.get(queries.OWNER_EMAIL, ""))
    shared_domain, before = core.settings.shared_domain, marks.get(queries.SHARED_DOMAIN)
    if not shared_domain or before == shared_domain:
        return moved
    return [*moved, *await _move_shared_domain(core, owner, before)]


async def _move_owner(core: Core, account_id: str, before: str) -> list[str]:
    """Gives the owner the address of the settings, if one is set there."""
    email = normalize_addr_spec(core.settings.owner_email)
    if not before or email in {before, _DEFAULT_OWNER}:
        return []
    try:
        await core.db.write([queries.move_account(account_id, email)])
    except UniqueViolation:
        return [f"E2A_OWNER_EMAIL names another account; the owner's address stays {before}"]
    return [f"the owner's address was {before} and is {email} now"]


async def move_account(core: Core, email: str, new_email: str) -> str:
    """Gives an account another address, to which notices go from then on, and returns the account's id.

    The account keeps its inboxes and keys; approval links mailed to the address before stop working. Raises `NotFound`
    if nobody has that address, `Conflict` if the new one has an account, and `InvalidRequest` for the owner of a
    deployment whose settings say the address, since the next start would move the account back.
    """
    before, after = normalize_addr_spec(email), normalize_addr_spec(new_email)
    account = first(await core.db.read(account_by_email(before)))
    if account is None:
        raise NotFound(f"there is no account of {before}")
    marks = {row["key"]: row["value"] for row in await core.db.read(queries.marks())}
    set_there = normalize_addr_spec(core.settings.owner_email)
    if account["id"] == marks.get(queries.OWNER_ACCOUNT) and set_there not in {after, _DEFAULT_OWNER}:
        raise InvalidRequest(f"E2A_OWNER_EMAIL says that the owner is {set_there}; change it there")
    async with AuditLog(core).during(by_home(str(account["id"]), "move_account", {"email": after})):
        try:
            await core.db.write([queries.move_account(account["id"], after)])
        except UniqueViolation:
            raise Conflict(f"{after} has an account of its own") from None
    return str(account["id"])


async def _move_shared_domain(core: Core, account_id: str, before: str | None) -> list[str]:
    """The shared domain of the settings, with an inbox for the owner; the inboxes under the one before it stay."""
    domain, now = core.settings.shared_domain, to_micros(core.clock.now())
    inbox = f"{DEFAULT_INBOX}@{domain}"
    async with core.db.transaction() as transaction:
        *_, made = await transaction.write(
            [
                insert_shared_domain(domain, now),
                queries.mark_shared_domain(domain),
                queries.insert_inbox(inbox, account_id, domain, now),
            ]
        )
        if made.rowcount:
            await transaction.write(emit(core, "agent.created", inbox, account_id, now))
    told = (
        [f"the shared domain was {before} and is {domain} now; inboxes under {before} stay"] if before else []
    )
    return [*told, *([f"made the inbox {inbox}"] if made.rowcount else [])]


async def _make_owner(core: Core, first_owner: str) -> list[str]:
    """The shared domain, the first account and its inbox, in one commit; whoever is second keeps nothing."""
    settings, now = core.settings, to_micros(core.clock.now())
    owner_email, domain = normalize_addr_spec(first_owner), settings.shared_domain
    inbox = f"{DEFAULT_INBOX}@{domain}"
    try:
        async with core.db.transaction() as transaction:
            [account] = await transaction.write([queries.upsert_account(core.ids.user(), owner_email, now)])
            account_id = account.rows[0]["id"]
            [marked] = await transaction.write([queries.mark_owner(account_id)])
            if not marked.rowcount:
                raise _OwnedAlready
            if domain:
                await transaction.write(
                    [
                        insert_shared_domain(domain, now),
                        queries.mark_shared_domain(domain),
                        queries.insert_inbox(inbox, account_id, domain, now),
                    ]
                )
    except _OwnedAlready:
        return []
    return [f"made the account {owner_email}", *([f"made the inbox {inbox}"] if domain else [])]
