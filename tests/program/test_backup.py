"""A home is copied while mail comes in, and what is made of the copy works."""

from __future__ import annotations

import hashlib
import json
import os
import smtplib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.program.commanding import at_home, e2a
from tests.support.serving import ASSISTANT, Served, serving

pytestmark = pytest.mark.slow


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, f"sqlite:///{tmp_path}/home/e2a.db") as running:
        yield running


def test_a_copy_made_while_mail_comes_in_is_one_state_of_the_home(served: Served, tmp_path: Path) -> None:
    accepted: list[int] = []
    enough, stop = threading.Event(), threading.Event()

    def write() -> None:
        with smtplib.SMTP(*served.smtp) as smtp:
            while not stop.is_set():
                number = len(accepted)
                text = f"From: a@example.org\r\nTo: {ASSISTANT}\r\nSubject: No {number}\r\n\r\n{'x' * 20_000}\r\n"
                smtp.sendmail("a@example.org", ASSISTANT, text)
                accepted.append(number)
                if number > 30:
                    enough.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert enough.wait(60)
        before = len(accepted)
        copied = e2a(served.environment, "backup", str(tmp_path / "copy"), "--json")
        assert copied.returncode == 0, copied.stderr
    finally:
        stop.set()
        writer.join(60)
    assert len(accepted) > before, "mail was taken in meanwhile"
    told = json.loads(copied.stdout)
    assert set(told["files"]) == {"e2a.db", "secret"} or set(told["files"]) == {
        "e2a.db",
        "secret",
        "config.toml",
    }
    assert all(item.stat().st_mode & 0o077 == 0 for item in (tmp_path / "copy").iterdir())

    new = at_home(tmp_path / "new", E2A_SHARED_DOMAIN=served.environment["E2A_SHARED_DOMAIN"])
    restored = e2a(new, "restore", str(tmp_path / "copy"))
    assert restored.returncode == 0, restored.stderr
    subjects = {
        json.loads(line)["subject"]
        for line in e2a(new, "messages", "list", "--limit", "0").stdout.splitlines()
    }
    assert subjects >= {f"No {number}" for number in range(before)}
    assert subjects <= {f"No {number}" for number in range(len(accepted))}
    # The restored home has the secret, the keys and the log of the first.
    assert (tmp_path / "new" / "secret").read_bytes() == (tmp_path / "home" / "secret").read_bytes()
    assert e2a(new, "audit", "verify").returncode == 0
    key = e2a({**served.environment}, "keys", "list").stdout
    assert e2a(new, "keys", "list").stdout == key


def copy_of(tmp_path: Path) -> tuple[dict[str, str], Path]:
    environment = at_home(tmp_path / "home")
    assert e2a(environment, "agents", "list").returncode == 0
    assert e2a(environment, "backup", str(tmp_path / "copy")).returncode == 0
    return environment, tmp_path / "copy"


def test_nothing_is_written_over(tmp_path: Path) -> None:
    environment, copy = copy_of(tmp_path)
    again = e2a(environment, "backup", str(copy))
    assert again.returncode == 2
    back = e2a(environment, "restore", str(copy))
    assert back.returncode == 2
    assert "nothing is written over" in back.stderr
    for name in ("secret", "config.json", "e2a.db"):
        taken = tmp_path / name / "home"
        taken.mkdir(parents=True, mode=0o700)
        (taken / name).write_text("{}")
        refused = e2a(at_home(taken), "restore", str(copy))
        assert refused.returncode == 2
        assert [item.name for item in taken.iterdir()] == [name]
        assert (taken / name).read_text() == "{}"


@pytest.mark.parametrize("kind", ["link", "pipe", "device", "huge", "deep manifest", "place"])
def test_a_hostile_copy_reads_and_writes_nothing_else(tmp_path: Path, kind: str) -> None:
    _, copy = copy_of(tmp_path)
    manifest = json.loads((copy / "manifest.json").read_text())
    stolen = tmp_path / "stolen"
    stolen.write_text("of this machine")
    secret = copy / "secret"
    secret.unlink()
    match kind:
        case "link":
            secret.symlink_to(stolen)
        case "pipe":
            os.mkfifo(secret)
        case "device":
            secret.symlink_to("/dev/zero")
        case "huge":
            with secret.open("wb") as file:
                file.truncate(1 << 40)
        case "place":
            secret.write_bytes(b"x")
            (copy / "config.toml").write_text(f'database_url = "sqlite:///{tmp_path}/authorized_keys"')
            manifest["files"]["config.toml"] = digest_of(copy / "config.toml")
    if kind in {"link", "place"}:
        manifest["files"]["secret"] = digest_of(secret)
    text = json.dumps(manifest) if kind != "deep manifest" else "[" * 500_000
    (copy / "manifest.json").write_text(text)
    done = e2a(at_home(tmp_path / "new"), "restore", str(copy))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "authorized_keys").exists()


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("damage", ["bytes", "cut", "secret", "missing", "manifest", "elsewhere", "folder"])
def test_a_damaged_copy_is_not_restored(tmp_path: Path, damage: str) -> None:
    _, copy = copy_of(tmp_path)
    database = copy / "e2a.db"
    if damage == "bytes":
        content = bytearray(database.read_bytes())
        content[len(content) // 2] ^= 0xFF
        database.write_bytes(content)
    elif damage == "cut":
        database.write_bytes(database.read_bytes()[:-4096])
    elif damage == "secret":
        (copy / "secret").write_text("another")
    elif damage == "missing":
        (copy / "secret").unlink()
    elif damage == "manifest":
        (copy / "manifest.json").write_text("{}")
    elif damage == "elsewhere":
        manifest = json.loads((copy / "manifest.json").read_text())
        (tmp_path / "stolen").write_text("x")
        manifest["files"]["../stolen"] = "0"
        (copy / "manifest.json").write_text(json.dumps(manifest))
    else:
        copy = tmp_path / "none"
    done = e2a(at_home(tmp_path / "new"), "restore", str(copy))
    assert done.returncode in {1, 2}
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "new").exists()


def test_a_sound_hash_of_an_unsound_database_is_found_too(tmp_path: Path) -> None:
    _, copy = copy_of(tmp_path)
    with sqlite3.connect(copy / "e2a.db") as database:
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute("DELETE FROM accounts")
    database.close()
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"]["e2a.db"] = hashlib.sha256((copy / "e2a.db").read_bytes()).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    done = e2a(at_home(tmp_path / "new"), "restore", str(copy))
    assert done.returncode == 1
    assert "damaged" in done.stderr


def test_a_database_that_lies_elsewhere_is_copied_and_goes_back_there(tmp_path: Path) -> None:
    home, place = tmp_path / "home", tmp_path / "mail.db"
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text(f'database_url = "sqlite:///{place}"\n')
    environment = at_home(home)
    assert e2a(environment, "agents", "create", "kept").returncode == 0
    assert e2a(environment, "backup", str(tmp_path / "copy")).returncode == 0
    new = at_home(tmp_path / "new")
    assert e2a(new, "restore", str(tmp_path / "copy")).returncode == 2
    place.rename(tmp_path / "old.db")
    for beside in tmp_path.glob("mail.db-*"):
        beside.unlink()
    unasked = e2a(new, "restore", str(tmp_path / "copy"))
    assert (unasked.returncode, "outside the home" in unasked.stderr) == (2, True)
    assert not place.exists()
    confirmed = {**new, "E2A_DATABASE_URL": f"sqlite:///{place}"}
    assert e2a(confirmed, "restore", str(tmp_path / "copy")).returncode == 0
    assert "kept@agents.localhost" in e2a(new, "agents", "list").stdout


def test_a_home_on_postgresql_is_left_to_its_own_tools(tmp_path: Path) -> None:
    done = e2a(
        at_home(tmp_path / "home", E2A_DATABASE_URL="postgresql://x/y"), "backup", str(tmp_path / "copy")
    )
    assert done.returncode == 2
    assert "pg_dump" in done.stderr
