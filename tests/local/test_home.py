"""The home: what a first start makes, that it makes it once, and what a later start finds."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from anyio import to_thread

from e2a_core.clock import Clock, SystemClock
from e2a_core.contract.agents import CreateAgentRequest
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.errors import NotFound, SettingsError
from e2a_core.ids import Ids
from e2a_core.local import queries
from e2a_core.local.agents import Agents
from e2a_core.local.home import default_inbox, home_principal, open_home
from e2a_core.settings import Settings, load_settings
from e2a_core.store.database import Database
from e2a_core.store.migrate import MigrationMode
from e2a_core.store.open import open_database
from e2a_core.store.statement import Row, Statement, sql

pytestmark = pytest.mark.anyio

INBOX = "assistant@agents.localhost"
PROCESSES = 10
ONE_START = """
import asyncio, sys
from e2a_core.clock import Clock, SystemClock
from e2a_core.ids import Ids
from e2a_core.local import queries
from e2a_core.local.home import home_principal, open_home
from e2a_core.settings import load_settings

async def start():
    core, made = await open_home(load_settings(), SystemClock(), Ids())
    principal = await home_principal(core)
    await core.db.close()
    for line in [*made, f"owner {principal.account_id}", f"inbox {principal.agent_email}"]:
        print(line)

print("ready", flush=True)
sys.stdin.readline()
asyncio.run(start())
"""


@pytest.fixture
def settings(tmp_path: Path, empty_database_url: str) -> Settings:
    return load_settings({"E2A_HOME": str(tmp_path / "home"), "E2A_DATABASE_URL": empty_database_url})


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Core, list[str]]]:
    core, made = await open_home(settings, SystemClock(), Ids())
    try:
        yield core, made
    finally:
        await core.db.close()


async def rows(core: Core, table: str) -> Sequence[Row]:
    return await core.db.read(sql(f"SELECT * FROM {table}"))


async def test_a_first_start_makes_all_that_is_needed(settings: Settings) -> None:
    async with opened(settings) as (core, made):
        assert made == [
            f"made the home {settings.home}",
            f"made the signing secret {settings.home / 'secret'}",
            "made the account owner@localhost",
            f"made the inbox {INBOX}",
        ]
        principal = await home_principal(core)
        [account] = await rows(core, "accounts")
        assert principal == Principal(
            account["id"], "owner@localhost", "agent", INBOX, "home", door="command"
        )
        assert await default_inbox(core) == INBOX
        [domain] = await rows(core, "domains")
        assert (domain["domain"], domain["account_id"]) == ("agents.localhost", None)
        assert domain["verified_at"] is not None


async def test_a_later_start_makes_nothing_and_reads_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(settings) as (core, _):
        before = [await rows(core, table) for table in ("accounts", "agents", "domains", "meta")]
        secrets = core.secrets
    reads: list[Statement] = []

    async def opened_and_watched(url: str, *, migration_mode: MigrationMode, clock: Clock) -> Database:
        database = await open_database(url, migration_mode=migration_mode, clock=clock)
        monkeypatch.setattr(database, "read", _recorded(database.read, reads))
        return database

    monkeypatch.setattr("e2a_core.local.home.open_database", opened_and_watched)
    async with opened(settings) as (core, made):
        assert made == []
        assert len(reads) == 1
        assert core.secrets == secrets
        assert [await rows(core, table) for table in ("accounts", "agents", "domains", "meta")] == before


def _recorded(
    read: Callable[[Statement], Awaitable[object]], reads: list[Statement]
) -> Callable[[Statement], Awaitable[object]]:
    async def recorded(statement: Statement) -> object:
        reads.append(statement)
        return await read(statement)

    return recorded


async def test_ten_processes_that_start_together_make_each_thing_once(settings: Settings) -> None:
    answers = await to_thread.run_sync(_start_together, settings)
    assert [(code, errors) for code, _, errors in answers] == [(0, "")] * PROCESSES
    lines = [line for _, output, _ in answers for line in output.splitlines()]
    for thing in ("home", "signing secret", "account", "inbox"):
        assert len([line for line in lines if line.startswith(f"made the {thing} ")]) == 1
    assert len({line for line in lines if line.startswith(("owner ", "inbox "))}) == 2
    async with opened(settings) as (core, made):
        assert made == []
        assert [len(await rows(core, table)) for table in ("accounts", "agents", "domains")] == [1, 1, 1]
    assert [path.name for path in settings.home.iterdir()] == ["secret"]


def _start_together(settings: Settings) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of processes that are let go once all of them stand ready."""
    environment = {**os.environ, "E2A_HOME": str(settings.home), "E2A_DATABASE_URL": settings.database_url}
    children = [
        subprocess.Popen(
            [sys.executable, "-c", ONE_START],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    outputs = [child.communicate(timeout=60) for child in children]
    return [(child.returncode, *output) for child, output in zip(children, outputs, strict=True)]


async def test_the_files_are_the_owner_s_alone(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "home"
    async with opened(load_settings({"E2A_HOME": str(folder)})) as (core, _):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        secret = (folder / "secret").read_text().strip()
        assert core.secrets == (secret.encode(),)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}
    assert {"secret", "e2a.db"} <= set(modes)
    assert len(bytes.fromhex(secret)) == 32


async def test_configured_secrets_go_before_the_file(settings: Settings) -> None:
    async with opened(replace(settings, hmac_secret="new secret, old secret")) as (core, made):
        assert core.secrets == (b"new secret", b"old secret")
        assert not any("signing secret" in line for line in made)
    assert not (settings.home / "secret").exists()


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64])
async def test_a_damaged_secret_is_not_replaced(settings: Settings, content: bytes) -> None:
    settings.home.mkdir()
    (settings.home / "secret").write_bytes(content)
    with pytest.raises(SettingsError, match="signing secret"):
        await open_home(settings, SystemClock(), Ids())
    assert (settings.home / "secret").read_bytes() == content


async def test_a_home_that_is_no_folder(settings: Settings) -> None:
    settings.home.write_text("a file")
    with pytest.raises(SettingsError, match="E2A_HOME"):
        await open_home(settings, SystemClock(), Ids())
    with pytest.raises(SettingsError, match="E2A_HOME"):
        await open_home(replace(settings, home=settings.home / "below"), SystemClock(), Ids())


async def test_a_deleted_inbox_does_not_come_back(settings: Settings) -> None:
    async with opened(settings) as (core, _):
        owner = await home_principal(core, scope="account")
        await Agents(core, owner).delete(INBOX, permanent=True)
    async with opened(settings) as (core, made):
        assert made == []
        with pytest.raises(NotFound):
            await default_inbox(core)
        with pytest.raises(NotFound):
            await home_principal(core)
        assert (await home_principal(core, scope="account")).agent_email is None


async def test_another_shared_domain_gets_an_inbox_beside_the_old_one(settings: Settings) -> None:
    async with opened(settings):
        pass
    moved = replace(settings, shared_domain="bots.example")
    async with opened(moved) as (core, made):
        assert made == [
            "the shared domain was agents.localhost and is bots.example now; inboxes under agents.localhost stay",
            "made the inbox assistant@bots.example",
        ]
        assert sorted(row["domain"] for row in await rows(core, "domains")) == [
            "agents.localhost",
            "bots.example",
        ]
        assert await default_inbox(core) == "assistant@bots.example"
        assert (await home_principal(core, agent_email=INBOX)).agent_email == INBOX
        owner = await home_principal(core, scope="account")
        assert (await Agents(core, owner).create(CreateAgentRequest(email="new"))).email == "new@bots.example"
    async with opened(moved) as (_, made):
        assert made == []


async def test_another_owner_address_is_the_owners_from_now_on(settings: Settings) -> None:
    async with opened(settings):
        pass
    async with opened(replace(settings, owner_email="Ann@Example.org")) as (core, made):
        assert made == [f"the owner's address was {settings.owner_email} and is ann@example.org now"]
        assert (await home_principal(core, scope="account")).account_email == "ann@example.org"
        await core.db.write([queries.upsert_account(core.ids.user(), "taken@example.org", 0)])
    # The default is no wish.
    async with opened(settings) as (core, made):
        assert made == []
    async with opened(replace(settings, owner_email="taken@example.org")) as (core, made):
        assert made == ["E2A_OWNER_EMAIL names another account; the owner's address stays ann@example.org"]
        assert (await home_principal(core, scope="account")).account_email == "ann@example.org"


async def test_a_session_acts_as_the_inbox_it_names(settings: Settings) -> None:
    async with opened(settings) as (core, _):
        owner = await home_principal(core, scope="account")
        assert (owner.scope, owner.agent_email) == ("account", INBOX)
        await Agents(core, owner).create(CreateAgentRequest(email="second@agents.localhost"))
        second = await home_principal(core, agent_email=" Second@Agents.localhost ")
        assert (second.scope, second.agent_email) == ("agent", "second@agents.localhost")
        await Agents(core, owner).delete("second@agents.localhost")
        for email in ("second@agents.localhost", "nobody@agents.localhost", "\x00"):
            with pytest.raises(NotFound):
                await home_principal(core, agent_email=email)


async def test_a_deployment_without_a_shared_domain_has_no_inbox_yet(settings: Settings) -> None:
    async with opened(replace(settings, shared_domain="")) as (core, made):
        assert made[-1] == "made the account owner@localhost"
        assert await rows(core, "domains") == []
        with pytest.raises(NotFound):
            await home_principal(core)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("mode", [0o755, 0o750, 0o777, 0o701])
async def test_a_home_and_a_secret_that_others_could_read_are_closed_with_a_word(
    tmp_path: Path, mode: int
) -> None:
    home = tmp_path / "home"
    settings = load_settings({"E2A_HOME": str(home)})
    core, _ = await open_home(settings, SystemClock(), Ids())
    await core.db.close()
    home.chmod(mode)
    (home / "secret").chmod(0o644)
    core, made = await open_home(settings, SystemClock(), Ids())
    await core.db.close()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "secret").stat().st_mode) == 0o600
    assert [line.split()[0] for line in made] == [str(home), str(home / "secret")]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize(("mode", "beside"), [(0o1777, ""), (0o755, "letters.txt")])
async def test_a_folder_that_others_use_too_is_no_home_and_stays_as_it_is(
    tmp_path: Path, mode: int, beside: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    if beside:
        (folder / beside).touch()
    folder.chmod(mode)
    with pytest.raises(SettingsError, match="E2A_HOME must be a folder of its own"):
        await open_home(load_settings({"E2A_HOME": str(folder)}), SystemClock(), Ids())
    assert stat.S_IMODE(folder.stat().st_mode) == mode
