"""Database URLs: what they name, and what is said of those that name nothing usable."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.clock import SystemClock
from e2a_core.errors import SettingsError, StoreUnavailable
from e2a_core.store.open import open_database, sqlite_path

CLOCK = SystemClock()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///relative/e2a.db", "relative/e2a.db"),
        ("sqlite:////var/lib/e2a.db", "/var/lib/e2a.db"),
        ("sqlite:////tmp/a%20b%3Fc%23d%25.db", "/tmp/a b?c#d%.db"),
        ("sqlite:///C:/mail/e2a.db", "C:/mail/e2a.db"),
    ],
)
def test_the_path_of_a_sqlite_url(url: str, path: str) -> None:
    assert sqlite_path(url) == Path(path)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "it names no kind"),
        ("e2a.db", "it names no kind"),
        ("/var/lib/e2a.db", "it names no kind"),
        ("mysql://localhost/e2a", "'mysql'"),
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite://e2a.db", "names no file"),
        ("sqlite:e2a.db", "names no file"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///e2a.db?mode=ro", "%3F"),
        ("sqlite:////nowhere/to/be/found/e2a.db", "/nowhere/to/be/found does not exist"),
        ("sqlite:////tmp/nul%00.db", "names no file"),
        ("postgresql://host:port/e2a", "port"),
        ("sqlite://[::1/e2a.db", "names no file"),
    ],
)
async def test_an_unusable_url_is_explained(url: str, reason: str) -> None:
    with pytest.raises(SettingsError, match="E2A_DATABASE_URL") as caught:
        await open_database(url, clock=CLOCK)
    assert reason in str(caught.value)


@pytest.mark.anyio
async def test_a_file_that_is_no_database_is_an_outage(tmp_path: Path) -> None:
    path = tmp_path / "e2a.db"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreUnavailable, match=r"e2a\.db"):
        await open_database(f"sqlite:///{path}", clock=CLOCK)


@pytest.mark.anyio
async def test_a_name_with_blanks_and_marks_works(tmp_path: Path) -> None:
    database = await open_database(f"sqlite:///{tmp_path}/a%20b%3F%23.db", clock=CLOCK)
    await database.close()
    assert (tmp_path / "a b?#.db").exists()


@pytest.mark.anyio
async def test_a_server_that_does_not_answer_is_an_outage(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        await open_database(f"postgresql://user@/e2a?host={tmp_path}", clock=CLOCK)


@settings(max_examples=200, deadline=None)
@given(st.text() | st.text().map("sqlite:".__add__) | st.text().map("sqlite:///".__add__))
def test_no_url_breaks_the_parser(url: str) -> None:
    try:
        path = sqlite_path(url)
    except SettingsError:
        return
    assert str(path)


def test_the_store_loads_no_driver() -> None:
    check = (
        "import sys, e2a_core.store, e2a_core.store.open, e2a_core.store.jobs, e2a_core.store.events\n"
        "assert not {'asyncpg', 'e2a_core.store.sqlite.database', "
        "'e2a_core.store.postgresql.database'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", check], check=True)
