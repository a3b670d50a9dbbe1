"""The `e2a` command as a shell sees it: output, errors and exit codes."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import pytest

from e2a_mcp.program import e2a as cli
from e2a_mcp.program.e2a import COMMANDS, main
from tests.support.forking import run_e2a


def e2a(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("E2A_")}
    return run_e2a({**inherited, "E2A_HOME": str(home), **environment}, *arguments)


def test_bootstrap_on_a_fresh_home_makes_the_owner_with_an_inbox_and_a_key(tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = e2a(home, "bootstrap", "--email", "Ann@Example.org", "--json")
    assert done.returncode == 0
    answer = json.loads(done.stdout)
    assert sorted(answer) == ["account_id", "api_key", "email"]
    assert answer["email"] == "ann@example.org"
    assert re.fullmatch("e2a_acct_[0-9a-f]{64}", answer["api_key"])
    assert "made the inbox assistant@agents.localhost" in done.stderr
    assert answer["api_key"] not in done.stderr
    with sqlite3.connect(home / "e2a.db") as database:
        assert database.execute("SELECT account_id, name, key_hash FROM api_keys").fetchall() == [
            (answer["account_id"], "bootstrap", sha256(answer["api_key"].encode()).hexdigest())
        ]
        assert database.execute("SELECT email, account_id FROM agents").fetchall() == [
            ("assistant@agents.localhost", answer["account_id"])
        ]
    database.close()


def test_bootstrap_finds_an_account_and_makes_another_key(tmp_path: Path) -> None:
    first = json.loads(e2a(tmp_path, "bootstrap", "--email", "ann@example.org", "--json").stdout)
    again = e2a(tmp_path, "bootstrap", "--email", "ANN@example.org")
    assert re.search(rf"^account  {first['account_id']}  ann@example.org$", again.stdout, re.MULTILINE)
    key = re.search(r"^api key  (e2a_acct_[0-9a-f]{64})$", again.stdout, re.MULTILINE)
    assert key is not None
    assert key[1] != first["api_key"]
    assert "found the account of ann@example.org" in again.stderr
    other = json.loads(e2a(tmp_path, "bootstrap", "--email", "bob@example.org", "--json").stdout)
    assert other["account_id"] != first["account_id"]


def test_any_account_gets_another_address_and_keeps_its_keys(tmp_path: Path) -> None:
    owner = json.loads(e2a(tmp_path, "bootstrap", "--email", "ann@example.org", "--json").stdout)
    other = json.loads(e2a(tmp_path, "bootstrap", "--email", "bob@example.org", "--json").stdout)
    moved = e2a(tmp_path, "account", "--email", "Bob@Example.org", "--new-email", "rob@example.org", "--json")
    assert json.loads(moved.stdout) == {"account_id": other["account_id"], "email": "rob@example.org"}
    assert "the account of bob@example.org is the account of rob@example.org now" in moved.stderr
    found = e2a(tmp_path, "bootstrap", "--email", "rob@example.org")
    assert other["account_id"] in found.stdout
    assert "found the account of rob@example.org" in found.stderr
    assert (
        "made the account of bob@example.org"
        in e2a(tmp_path, "bootstrap", "--email", "bob@example.org").stderr
    )

    # The first account too, unless the settings say its address.
    moved = e2a(tmp_path, "account", "--email", "ann@example.org", "--new-email", "anna@example.org")
    assert moved.stdout == f"account  {owner['account_id']}  anna@example.org\n"
    for old, new, environment, said in (
        ("anna@example.org", "rob@example.org", {}, "rob@example.org has an account of its own"),
        ("eve@example.org", "eva@example.org", {}, "there is no account of eve@example.org"),
        (
            "anna@example.org",
            "ann@example.org",
            {"E2A_OWNER_EMAIL": "anna@example.org"},
            "E2A_OWNER_EMAIL says",
        ),
    ):
        refused = e2a(tmp_path, "account", "--email", old, "--new-email", new, **environment)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert said in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "said"),
    [
        (["bootstrap", "--email", "nobody"], {}, 2, "--email"),
        (["account", "--email", "a@b.example"], {}, 2, "--new-email"),
        (["account", "--email", "a@b.example", "--new-email", "nobody"], {}, 2, "--new-email"),
        (["bootstrap"], {}, 2, "--email"),
        (["no-such-verb"], {}, 2, "no-such-verb"),
        (["bootstrap", "--email", "a@b.example"], {"E2A_SMTP_LISTEN": "nowhere"}, 2, "E2A_SMTP_LISTEN"),
        (["bootstrap", "--email", "a@b.example"], {"E2A_DATABASE_URL": "mysql://x"}, 2, "E2A_DATABASE_URL"),
        (["demo", "--keep", __file__], {}, 2, "--keep"),
        (["demo", "--keep", str(Path(__file__).parent)], {}, 2, "is not empty"),
        (["demo", "--keep", str(Path(__file__) / "below")], {}, 2, "not a folder"),
        (
            ["serve"],
            {"E2A_SMTP_TLS_CERT": "/nowhere/chain.pem", "E2A_SMTP_TLS_KEY": "/nowhere/key.pem"},
            2,
            "E2A_SMTP_TLS_CERT must be a readable PEM file, /nowhere/chain.pem is not",
        ),
        (
            ["serve"],
            {"E2A_SMTP_TLS_CERT": __file__, "E2A_SMTP_TLS_KEY": "/nowhere/key.pem"},
            2,
            "E2A_SMTP_TLS_KEY must be a readable PEM file, /nowhere/key.pem is not",
        ),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], code: int, said: str
) -> None:
    done = e2a(tmp_path, *arguments, **environment)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_store_that_cannot_be_used_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "e2a.db").write_bytes(b"this is not a database, whatever its name says" * 100)
    done = e2a(tmp_path, "bootstrap", "--email", "a@b.example")
    assert (done.returncode, done.stdout) == (1, "")
    assert len([line for line in done.stderr.splitlines() if "made the" not in line]) == 1


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_every_command_and_loads_none(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = set(sys.modules)
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert name in printed
        assert command.target.partition(":")[0] not in set(sys.modules) - loaded


@pytest.mark.parametrize(("verb", "said"), [("serve", "the MCP endpoint"), ("bootstrap", "a new API key")])
def test_the_help_of_a_verb_keeps_its_capitals(
    verb: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, "--help"]) == 0
    assert said in capsys.readouterr().out


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"e2a {version('e2a-mcp')}\n"


def test_an_interrupt_ends_a_command_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(
        COMMANDS, "wait", cli.Command("tests.program.interrupted:wait", "be interrupted", "Mail")
    )
    assert main(["wait"]) == 130
    assert capsys.readouterr().err == ""
