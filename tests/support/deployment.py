"""A deployment's shared parts over each database, with an owner, and the callers one may meet there."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2a_core.accounts.credentials import ensure_account
from e2a_core.clock import to_micros
from e2a_core.contract.agents import CreateAgentRequest
from e2a_core.contract.principal import Principal
from e2a_core.core import Core, shared_resolver
from e2a_core.domains.claims import ensure_shared_domain
from e2a_core.ids import Ids
from e2a_core.local.agents import Agents
from e2a_core.settings import load_settings
from e2a_core.signing.secrets import Secrets
from e2a_core.store.database import Database
from e2a_core.store.statement import Statement, sql
from tests.support.clock import ManualClock

__all__ = [
    "SHARED",
    "account",
    "agent_credential",
    "clock",
    "core",
    "insert_message",
    "make_agent",
    "message_statements",
    "owner",
    "register_domain",
]

SHARED = "agents.localhost"
SECRET = b"a secret that is for tests alone, of enough octets"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def core(database: Database, clock: ManualClock, tmp_path: Path) -> Core:
    """A migrated deployment with its shared domain and nobody in it."""
    settings = load_settings({"E2A_HOME": str(tmp_path)})
    made = Core(settings, clock, Ids(), Secrets((SECRET,)), database, shared_resolver(settings, clock))
    await ensure_shared_domain(made)
    return made


@pytest.fixture
async def owner(core: Core) -> Principal:
    """The first account, which has no agents yet."""
    return await account(core, "owner@example.org")


async def account(core: Core, email: str) -> Principal:
    """An account credential; instants of accounts differ, so that the first is the first."""
    account_id, _ = await ensure_account(core, email)
    if isinstance(core.clock, ManualClock):
        core.clock.advance(seconds=1)
    return Principal(account_id, email, "account", None, "apk_test")


def agent_credential(principal: Principal, agent_email: str) -> Principal:
    return Principal(principal.account_id, principal.account_email, "agent", agent_email, "apk_test")


async def make_agent(core: Core, principal: Principal, email: str) -> str:
    view = await Agents(core, principal).create(CreateAgentRequest(email=email))
    return view.email


async def register_domain(core: Core, principal: Principal, domain: str, *, verified: bool = True) -> None:
    now = to_micros(core.clock.now())
    await core.db.write(
        [
            sql(
                "INSERT INTO domains (domain, account_id, created_at, verified_at) "
                "VALUES (:domain, :account, :now, :verified)",
                domain=domain,
                account=principal.account_id,
                now=now,
                verified=now if verified else None,
            )
        ]
    )


async def insert_message(
    core: Core, principal: Principal, agent_email: str, *, content: bytes | None = None, **columns: object
) -> str:
    """A stored message as the pipelines leave it, searchable; `columns` override."""
    message_id, statements = message_statements(core, principal, agent_email, content=content, **columns)
    await core.db.write(statements)
    return message_id


def message_statements(
    core: Core, principal: Principal, agent_email: str, *, content: bytes | None = None, **columns: object
) -> tuple[str, list[Statement]]:
    """A message's id and what stores it."""
    message_id, now = core.ids.message(), to_micros(core.clock.now())
    values: dict[str, object] = {
        "id": message_id,
        "account_id": principal.account_id,
        "agent_email": agent_email,
        "direction": "inbound",
        "thread_id": core.ids.thread(),
        "created_at": now,
        **columns,
    }
    statements = []
    if content is not None:
        values["content_hash"] = content.hex()
        statements.append(
            sql(
                "INSERT INTO raw_messages (content_hash, data, created_at) VALUES (:hash, :data, :now) "
                "ON CONFLICT (content_hash) DO NOTHING",
                hash=content.hex(),
                data=content,
                now=now,
            )
        )
    names = ", ".join(values)
    places = ", ".join(f":{name}" for name in values)
    statements.append(Statement(f"INSERT INTO messages ({names}) VALUES ({places})", values))
    statements.append(
        sql(
            "INSERT INTO message_search (rowid, head, body) "
            "SELECT seq, 'subject', 'body' FROM messages WHERE id = :id",
            postgresql="INSERT INTO message_search (seq, terms, head) "
            "SELECT seq, 'subject body', 'subject' FROM messages WHERE id = :id",
            id=message_id,
        )
    )
    return message_id, statements
