"""`e2a doctor` on a home: fresh, started, served and broken. It changes nothing."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from e2a_core.clock import SystemClock
from e2a_core.settings import Settings, load_settings
from e2a_mcp.program.doctor.configuration import check_configuration, check_relay_settings
from e2a_mcp.program.doctor.examination import examine
from e2a_mcp.program.doctor.finding import Cause, Finding
from e2a_mcp.program.doctor.home import check_home
from e2a_mcp.program.doctor.ports import check_ports
from e2a_mcp.program.doctor.signature import check_signatures
from e2a_mcp.program.doctor.store import check_store
from e2a_mcp.program.doctor.wishes import Wishes
from tests.program.doctor.doctoring import doctor, e2a, environment, unchanged
from tests.program.doctor.test_connections import DAY, certificate
from tests.support.dns import DnsServer, Zones
from tests.support.home import MovableClock
from tests.support.listening import vacant_port
from tests.support.serving import running

pytestmark = pytest.mark.slow
NOWHERE = "127.0.0.1:9"


def settings_of(home: Path, **settings: str) -> Settings:
    return load_settings(environment(home, **settings))


def by_id(found: Sequence[Finding]) -> dict[str, Finding]:
    return {finding.id: finding for finding in found}


def codes(found: Mapping[str, Finding]) -> dict[str, tuple[str, str]]:
    return {id: (finding.status.value, finding.reason_code) for id, finding in found.items()}


def in_home(home: Path) -> dict[str, Finding]:
    return by_id(check_home(settings_of(home)))


async def in_store(home: Path, **settings: str) -> dict[str, Finding]:
    found, _ = await check_store(settings_of(home, **settings), SystemClock())
    return by_id(found)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after its first start, to be copied by whoever breaks it."""
    home = tmp_path_factory.mktemp("started") / "home"
    assert e2a(home, "bootstrap", "--email", "ann@example.org").returncode == 0
    return home


@pytest.fixture
def home(started: Path, tmp_path: Path) -> Path:
    return copied(started, tmp_path / "home")


def copied(home: Path, target: Path) -> Path:
    subprocess.run(["cp", "-a", str(home), str(target)], check=True)
    return target


def test_before_the_first_start_nothing_is_wrong_and_nothing_is_made(tmp_path: Path) -> None:
    with unchanged(tmp_path):
        done = doctor(tmp_path / "home")
    assert done.status == 0
    assert done.report["status"] == "healthy"
    assert done.code("home.folder") == ("skip", "not_started")
    assert done.one("home.folder")["fix"] == "e2a serve makes it"
    assert done.code("store.integrity") == ("skip", "not_started")
    assert done.code("port.smtp") == done.code("port.http") == ("pass", "ok")


def test_a_started_home_is_healthy_and_stays_as_it_is(home: Path) -> None:
    with unchanged(home):
        done = doctor(home)
    assert done.status == 0, done.troubles()
    assert done.report["summary"]["fail"] == done.report["summary"]["warn"] == 0
    for id in (
        "cli.config",
        "home.folder",
        "home.files",
        "home.secret",
        "store.integrity",
        "store.migrations",
    ):
        assert done.code(id) == ("pass", "ok")


def test_a_person_reads_a_line_for_each_check(home: Path) -> None:
    home.chmod(0o755)
    done = e2a(home, "doctor")
    assert done.returncode == 9
    lines = done.stdout.splitlines()
    assert re.match(
        rf"fail  home\.folder +{re.escape(str(home))}: has mode 0755",
        next(line for line in lines if line.startswith("fail")),
    )
    assert f"fix: chmod 700 {home}" in done.stdout
    assert re.fullmatch(r"\d+ checks: \d+ passed, 0 to look at, 1 failed, \d+ not made", lines[-1])


@pytest.mark.parametrize(("name", "mode"), [("secret", 0o644), ("e2a.db", 0o660), ("config.toml", 0o640)])
def test_a_file_that_others_may_read_is_named_with_the_command_that_closes_it(
    home: Path, name: str, mode: int
) -> None:
    (home / name).touch()
    (home / name).chmod(mode)
    with unchanged(home):
        found = in_home(home)
    assert codes(found)["home.files"] == ("fail", "open_to_others")
    assert found["home.files"].evidence["files"] == {name: f"{mode:04o}"}
    subprocess.run(["sh", "-c", found["home.files"].fix], check=True)
    assert codes(in_home(home))["home.files"] == ("pass", "ok")


def test_a_lost_secret_and_a_damaged_one(home: Path) -> None:
    (home / "secret").write_text("short", encoding="utf-8")
    assert codes(in_home(home))["home.secret"] == ("fail", "secret_damaged")
    (home / "secret").write_bytes(b"\xff\xfe" * 40)
    assert codes(in_home(home))["home.secret"] == ("fail", "secret_damaged")
    (home / "secret").unlink()
    found = in_home(home)
    assert codes(found)["home.secret"] == ("fail", "secret_missing")
    assert "if it is lost" in found["home.secret"].fix


def test_a_secret_in_the_settings_that_is_weak_or_not_that_of_the_home(home: Path) -> None:
    def found(secret: str) -> Finding:
        return by_id(check_home(settings_of(home, hmac_secret=secret)))["home.secret"]

    def followed(secret: str) -> str:
        done = subprocess.run(
            ["sh", "-c", f'{found(secret).fix.partition(": ")[2] or found(secret).fix.partition(";")[0]}; '
             'printf %s "$E2A_HMAC_SECRET"'],
            env={**os.environ, "E2A_HMAC_SECRET": secret},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    kept = (home / "secret").read_text(encoding="utf-8").strip()
    assert found(kept).reason_code == "ok"
    assert found("short").reason_code == "secret_weak"
    stronger = followed("short")
    assert stronger.endswith(",short")
    assert found(stronger).reason_code == "secret_differs"
    both = followed(stronger)
    assert both == f"{stronger},{kept}"
    assert found(both).reason_code == "ok"


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    done = doctor(tmp_path / "home")
    assert done.status == 9
    assert done.code("home.folder") == ("fail", "not_a_folder")


@pytest.mark.anyio
async def test_a_store_that_is_no_database(home: Path) -> None:
    (home / "e2a.db").write_bytes(b"this is no database, whatever its name says" * 100)
    with unchanged(home):
        found = await in_store(home)
    assert codes(found)["store.integrity"] == ("fail", "corrupt")
    assert "backup" in found["store.integrity"].fix


@pytest.mark.anyio
async def test_a_store_with_damaged_pages(home: Path, tmp_path: Path) -> None:
    assert e2a(copied(home, tmp_path / "before"), "backup", str(tmp_path / "copy")).returncode == 0
    with (home / "e2a.db").open("r+b") as file:
        for page in range(3, 20):
            file.seek(page * 4096)
            file.write(os.urandom(4096))
    with unchanged(home):
        found = await in_store(home)
    assert codes(found)["store.integrity"] == ("fail", "corrupt")
    moved = re.search(r"mv \S+ \S+(?=;)", found["store.integrity"].fix)
    assert moved
    _, place, aside = shlex.split(moved[0])
    await asyncio.to_thread(Path(place).rename, aside)
    assert e2a(home, "restore", str(tmp_path / "copy")).returncode == 0
    assert codes(await in_store(home))["store.integrity"] == ("pass", "ok")


@pytest.mark.anyio
async def test_a_store_that_lacks_a_migration_and_one_of_a_newer_release(home: Path) -> None:
    with sqlite3.connect(home / "e2a.db") as database:
        last = database.execute("SELECT * FROM schema_migrations ORDER BY version DESC LIMIT 1").fetchone()
        database.execute("DELETE FROM schema_migrations WHERE version = ?", (last[0],))
    database.close()
    found = await in_store(home)
    assert codes(found)["store.migrations"] == ("warn", "migrations_pending")
    assert last[1] in found["store.migrations"].detail
    found = await in_store(home, migration_mode="verify")
    assert codes(found)["store.migrations"] == ("fail", "migrations_pending")
    with sqlite3.connect(home / "e2a.db") as database:
        database.execute("INSERT INTO schema_migrations VALUES (9999, 'of_tomorrow', 'x', 0)")
    database.close()
    found = await in_store(home)
    assert codes(found)["store.migrations"] == ("fail", "other_release")
    assert found["store.migrations"].fix.startswith("install that release (pip install --upgrade e2a-mcp)")


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["smtp", "http"])
async def test_a_port_that_something_else_has(home: Path, kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        place = f"127.0.0.1:{other.getsockname()[1]}"
        found = by_id(await check_ports(settings_of(home, **{f"{kind}_listen": place}), {}))
    assert codes(found)[f"port.{kind}"] == ("fail", "port_taken")
    assert found[f"port.{kind}"].target == place


@pytest.mark.anyio
async def test_an_address_of_another_machine(home: Path) -> None:
    found = by_id(await check_ports(settings_of(home, smtp_listen="192.0.2.1:2525"), {}))
    assert codes(found)["port.smtp"] == ("fail", "address_unusable")


def configured(home: Path, wishes: Wishes | None = None, **settings: str) -> list[Finding]:
    return check_configuration(wishes or Wishes(), environment(home, **settings))[1]


def test_a_setting_that_is_wrong_and_one_that_is_none(home: Path) -> None:
    done = doctor(home, smtp_listen="here")
    assert (done.status, done.code("cli.config")) == (9, ("fail", "invalid_setting"))
    where, strange = configured(home, smtp_lisen="127.0.0.1:0")
    assert (where.status, strange.status, strange.reason_code) == ("pass", "warn", "unknown_setting")
    assert "did you mean E2A_SMTP_LISTEN?" in strange.detail


def test_a_deployment_without_a_key(home: Path) -> None:
    for found in (
        configured(home, api_url="https://e2a.example"),
        configured(home, Wishes(remote="https://e2a.example")),
    ):
        assert [(finding.reason_code, finding.cause) for finding in found] == [("no_api_key", Cause.AUTH)]
    [finding] = configured(home, Wishes(local=True), api_url="https://e2a.example", api_key="e2a_acct_x")
    assert (finding.status, finding.detail) == ("pass", f"development on the home {home}")
    done = doctor(home, "--remote", "https://e2a.example")
    assert (done.status, done.code("cli.config")) == (4, ("fail", "no_api_key"))
    assert {check["id"] for check in done.report["checks"]} == {"cli.config", "cli.version"}


def test_half_of_the_credentials_of_the_relay_and_never_the_password(home: Path) -> None:
    for half in ({"password": "it is my secret"}, {"username": "e2a", "host": "relay.example.net"}):
        given = {f"outbound_smtp_{name}": value for name, value in half.items()}
        finding = check_relay_settings(settings_of(home, **given))
        assert (finding.status, finding.reason_code) == ("warn", "smtp_partial")
        assert "it is my secret" not in str(finding.as_json())


def test_a_saved_key_is_used_and_its_file_left_as_it_is(home: Path) -> None:
    with vacant_port() as port:
        url = f"http://127.0.0.1:{port}"
        (home / "config.json").write_text(
            json.dumps({"api_key": "e2a_acct_saved", "api_url": url}), encoding="utf-8"
        )
        (home / "config.json").chmod(0o644)
        with unchanged(home):
            done = doctor(home)
            here = codes(in_home(home))
    assert (done.status, done.code("api.reachability")) == (1, ("fail", "connection_failed"))
    assert done.one("cli.config")["evidence"] == {"key_from": "config.json, config.toml or the keyring"}
    assert here["home.files"] == ("fail", "open_to_others")


def test_it_works_while_the_home_is_served(home: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "e2a_mcp.program.e2a", "serve", "--print-run"]
    with running(command, environment(home), tmp_path / "serve.log") as run:
        served = {path.name for path in home.iterdir()}
        done = doctor(home)
        assert {path.name for path in home.iterdir()} == served
        ahead = MovableClock()
        ahead.advance(hours=1)
        report = asyncio.run(examine(Wishes(), ahead, environment(home)))
    assert done.status == 0, done.troubles()
    assert done.one("port.smtp")["target"] == run["smtp"]
    assert done.one("port.http")["target"] == run["http"]
    assert (
        done.code("port.http")
        == done.code("api.reachability")
        == done.code("mcp.reachability")
        == ("pass", "ok")
    )
    assert done.report["deployment_url"] == run["http"]
    [clock] = [finding for finding in report.findings if finding.id == "clock.offset"]
    assert (clock.reason_code, report.exit_code) == ("clock_ahead", 9)


def test_all_that_is_broken_is_told_at_once(home: Path, tmp_path: Path) -> None:
    """A mode, a store, a port, a certificate and a relay: each has its line and its fix."""
    files = certificate(tmp_path, since=-90 * DAY, until=-DAY)
    (home / "secret").chmod(0o644)
    (home / "e2a.db").write_bytes(b"no database" * 1000)
    with socket.create_server(("127.0.0.1", 0)) as other, vacant_port() as port:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        relay = {"outbound_smtp_host": "127.0.0.1", "outbound_smtp_port": str(port)}
        done = doctor(
            home, smtp_listen=taken, shared_domain="mail.example.com", dns_server=NOWHERE, **files, **relay
        )
    assert done.status == 9
    assert {
        ("home.files", "open_to_others"),
        ("store.integrity", "corrupt"),
        ("port.smtp", "port_taken"),
        ("tls.certificate", "expired"),
        ("relay.connection", "connection_failed"),
        ("domain.mx", "dns_lookup_failed"),
    } <= done.troubles()


def test_what_a_killed_server_left_is_read_along_and_left(home: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "e2a_mcp.program.e2a", "serve", "--print-run"]
    with subprocess.Popen(
        command, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdout is not None
        server.stdout.readline()
        server.send_signal(signal.SIGKILL)
    assert (home / "e2a.db-wal").exists()
    before = {name: (home / name).read_bytes() for name in ("e2a.db", "e2a.db-wal", "run.json", "secret")}
    done = doctor(home)
    assert done.status == 0, done.troubles()
    assert done.code("port.smtp") == ("pass", "ok")
    assert before == {name: (home / name).read_bytes() for name in before}


@pytest.mark.anyio
async def test_a_tried_home_that_was_moved(home: Path, tmp_path: Path) -> None:
    """As docs/deployment.md says: the secret of the file becomes the setting, and keys are opened with it."""
    assert e2a(home, "domains", "records").returncode == 0
    moved = copied(home, tmp_path / "moved")
    secret = (home / "secret").read_text(encoding="utf-8").strip()
    production = {"env": "production", "public_url": "https://mail.example.com"}
    with unchanged(moved):
        for secrets in (secret, f"q8Zt3{secret[::-1]}, {secret}"):
            assert await signing(moved, hmac_secret=secrets, **production) == "ok"
        other = f"q8Zt3{secret[::-1]}"
        assert await signing(moved, hmac_secret=other, **production) == "key_undecryptable"


async def signing(home: Path, **settings: str) -> str:
    _, facts = await check_store(settings_of(home, **settings), SystemClock())
    [finding] = await check_signatures(settings_of(home, **settings), facts, SystemClock())
    assert finding.target == "agents.localhost"
    return finding.reason_code


@pytest.mark.anyio
async def test_a_database_that_cannot_be_reached(home: Path, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("x" * 300, f"{tmp_path}/loop/e2a.db", f"{home}/secret/e2a.db"):
        found = await in_store(home, database_url=f"sqlite:///{name}")
        assert codes(found)["store.integrity"] in {("fail", "not_readable"), ("skip", "not_started")}
    found = await in_store(home, database_url=f"sqlite:///{tmp_path}")
    assert codes(found)["store.integrity"] == ("fail", "not_readable")
    found = await in_store(home, database_url="mysql://db.example/e2a")
    assert codes(found)["store.integrity"] == ("fail", "invalid_url")


def test_what_to_do_can_be_pasted_whatever_the_folder_is_called(started: Path, tmp_path: Path) -> None:
    home = copied(started, tmp_path / "it's my $(home) \x1b[31m")
    home.chmod(0o755)
    found = in_home(home)["home.folder"]
    assert "\x1b" not in str(found.as_json())
    subprocess.run(["sh", "-c", found.fix], check=True)
    assert codes(in_home(home))["home.folder"] == ("pass", "ok")


def test_the_terminal_obeys_nobody_else(home: Path) -> None:
    """On a terminal, the only control sequences are the colours of the four words."""
    hostile = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\u2066"
    zones: Zones = {
        "mail.example.com": {"TXT": [f"v=spf1 {hostile}"], "MX": [(10, "mx\x1b.example.net")]},
        "_dmarc.mail.example.com": {"TXT": [f"v=DMARC1; p={hostile}"]},
    }
    with DnsServer(zones) as dns:
        settings = environment(home, shared_domain="mail.example.com", dns_server=dns.address)
        shown = on_terminal([sys.executable, "-m", "e2a_mcp.program.e2a", "doctor"], settings)
    assert "gnp.exe" in shown
    assert "\x1b[31mfail\x1b[0m  domain.mx" in shown
    rest = re.sub(r"\x1b\[(?:2|3[123])m(pass|warn|fail|skip)\x1b\[0m", r"\1", shown).replace("\r\n", "")
    assert rest.isprintable()
    assert "\u202e" not in rest


def on_terminal(command: list[str], settings: dict[str, str]) -> str:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, env=settings, stdout=theirs, stdin=theirs, stderr=subprocess.DEVNULL):
        os.close(theirs)
        written = b""
        with suppress(OSError):  # the terminal is gone once its last process is
            while piece := os.read(ours, 65536):
                written += piece
    os.close(ours)
    return written.decode("utf-8")
