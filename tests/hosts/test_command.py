"""`e2a install` as a person runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from e2a_mcp.program.hosts.table import HOSTS
from e2a_mcp.program.install import HostName
from tests.hosts.samples import SAMPLES, User, member_of

PROGRAM = str(Path(sys.prefix) / "bin" / "e2a-mcp")


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


@pytest.fixture
def furnished(user: User) -> User:
    """A user who has every host."""
    for key in HOSTS:
        user.with_sample(key)
    return user


def test_the_command_names_every_host() -> None:
    assert list(get_args(HostName)) == list(HOSTS)


def test_all_hosts_are_set_up_and_restored(furnished: User) -> None:
    before = furnished.contents()
    done = furnished.run("--all")
    assert done.returncode == 0, done.stderr
    for key, host in HOSTS.items():
        path = furnished.sample_path(key)
        assert f"{host.title}: installed  {path}" in done.stdout
        told = json.dumps(member_of(host, path.read_bytes()))
        assert PROGRAM in told
        assert str(furnished.folder / "e2a-home") in told
    contents = furnished.contents()
    tried = furnished.run("--all", "--undo", "--dry-run")
    assert tried.stdout.count(": would be restored  ") == len(HOSTS)
    assert furnished.contents() == contents
    again = furnished.run("--all")
    assert again.stdout.count("unchanged") == len(HOSTS)
    undone = furnished.run("--all", "--undo")
    assert undone.returncode == 0
    assert undone.stdout.count(": restored  ") == len(HOSTS)
    assert furnished.contents() == before


def test_dry_run_writes_nothing(furnished: User) -> None:
    before = sorted(furnished.folder.rglob("*"))
    contents = furnished.contents()
    done = furnished.run("--all", "--dry-run")
    assert done.returncode == 0
    assert done.stdout.count("would install") == len(HOSTS)
    assert furnished.contents() == contents
    assert sorted(furnished.folder.rglob("*")) == before


def test_keys_of_other_servers_are_not_shown(furnished: User) -> None:
    told = "".join(furnished.run(*words).stdout for words in (["--all"], ["--all", "--undo"]))
    for secret in ("ghp_", "hunter2", "ctx7sk", "value-of-a-key", "abc"):
        assert any(secret in path.read_text(encoding="utf-8") for path in SAMPLES.values())
        assert secret not in told


def test_our_key_is_written_nowhere(furnished: User) -> None:
    key = "e2a_agt_0123456789abcdef"
    done = furnished.run("--all", E2A_API_KEY=key, E2A_API_URL="https://mail.example.com")
    assert key not in done.stdout + done.stderr
    file = furnished.folder / "e2a-home/hosts/api-key"
    assert f"Zed: put the key into {file}" in done.stderr
    assert done.returncode == 0
    assert done.stdout.count(": installed  ") == len(HOSTS)
    assert not any(
        key.encode() in path.read_bytes() for path in furnished.folder.rglob("*") if path.is_file()
    )


@pytest.mark.parametrize("words", [[], ["--http", "https://mail.example.com/"]])
def test_a_key_in_a_file_is_named_by_it(furnished: User, words: list[str]) -> None:
    (furnished.folder / "key").write_text("e2a_agt_0123456789abcdef\n")
    done = furnished.run(
        "zed", *words, E2A_API_KEY_FILE="key", E2A_API_URL="https://mail.example.com", cwd=furnished.folder
    )
    assert (done.returncode, "put the key" in done.stderr) == (0, False)
    member = member_of(HOSTS["zed"], furnished.sample_path("zed").read_bytes())
    assert member["env"]["E2A_API_KEY_FILE"] == str(furnished.folder / "key")
    assert member["env"]["E2A_API_URL"] == "https://mail.example.com"


def test_over_http(user: User) -> None:
    done = user.run("cursor", "--http", "https://mail.example.com")
    assert done.returncode == 0
    member = member_of(HOSTS["cursor"], user.file("cursor").read_bytes())
    assert member == {
        "url": "https://mail.example.com/mcp",
        "headers": {"Authorization": "Bearer ${env:E2A_API_KEY}"},
    }


@pytest.mark.parametrize(
    "url",
    [
        "http://mail.example.com/mcp",
        "ftp://mail.example.com",
        "https://key@mail.example.com/mcp",
        "https://mail.example.com/mcp?key=x",
        "https://mail.example.com/mcp#x",
        "https://[::1",
        "https://",
        "mail.example.com",
        "https://mail.example.com:x/",
        "https://mail.example.com/\x1b[2J",
    ],
)
def test_a_url_that_would_give_the_key_away_is_refused(user: User, url: str) -> None:
    done = user.run("cursor", "--http", url)
    assert done.returncode == 2
    assert user.contents() == {}


def test_a_project_gets_no_path_of_this_machine(user: User) -> None:
    project = user.folder / "project"
    project.mkdir()
    done = user.run("claude-code", "--project", "--agent", "ann@agents.localhost", cwd=project)
    assert done.returncode == 0
    path = project / ".mcp.json"
    member = json.loads(path.read_text(encoding="utf-8"))["mcpServers"]["e2a"]
    assert member["command"] == "uvx"
    assert str(user.folder) not in path.read_text(encoding="utf-8")
    assert member["env"] == {"E2A_AGENT_EMAIL": "ann@agents.localhost"}
    assert path.stat().st_mode & 0o777 == 0o644
    assert user.run("claude-code", "--undo", cwd=project).stdout.startswith("Claude Code: nothing to undo")
    assert user.run("claude-code", "--project", "--undo", cwd=project).returncode == 0
    assert not path.exists()


def test_a_host_without_a_file_for_projects_says_so(user: User) -> None:
    done = user.run("goose", "--project")
    assert done.returncode == 1
    assert "Goose has no file for a project" in done.stderr


def test_one_broken_file_does_not_keep_the_others(furnished: User) -> None:
    path = furnished.sample_path("cursor")
    path.write_text('{"mcpServers": {\n  "a": }\n}', encoding="utf-8")
    done = furnished.run("--all")
    assert done.returncode == 1
    assert "line 2, column 8" in done.stderr
    assert PROGRAM in done.stderr
    assert done.stdout.count(": installed  ") == len(HOSTS) - 1
    assert path.read_text(encoding="utf-8") == '{"mcpServers": {\n  "a": }\n}'


def test_a_machine_without_hosts_says_so(user: User) -> None:
    done = user.run("--all")
    assert done.returncode == 1
    assert "found no host" in done.stderr


def test_a_host_is_found_by_its_program(user: User) -> None:
    program = user.folder / "bin" / "gemini"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    done = user.run("--all", PATH=str(program.parent))
    assert done.stdout.splitlines()[-1] == f"Gemini CLI: installed  {user.file('gemini')}"


@pytest.mark.parametrize(
    "words", [[], ["cursor", "--all"], ["emacs"], ["cursor", "--agent", "nobody"], ["cursor", "--nothing"]]
)
def test_wrong_usage(user: User, words: list[str]) -> None:
    assert user.run(*words).returncode == 2


def test_links_are_printed(user: User) -> None:
    done = user.run("--all", "--link", "--http", "https://mail.example.com/mcp")
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["cursor", "vscode", "goose"]
    refused = user.run("zed", "--link")
    assert refused.returncode == 1
    assert "has no link" in refused.stderr


def test_two_processes_at_once_install_once(furnished: User) -> None:
    before = furnished.contents()
    environment = {
        "HOME": str(furnished.folder),
        "PATH": "/nowhere",
        "E2A_HOME": str(furnished.folder / "e2a-home"),
    }
    command = [str(Path(sys.prefix) / "bin" / "e2a"), "install", "--all"]
    runs = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = "".join(run.communicate(timeout=90)[0] for run in runs)
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert told.count(": installed  ") == len(HOSTS)
    assert told.count(": unchanged  ") == 2 * len(HOSTS)
    furnished.run("--all", "--undo")
    assert furnished.contents() == before
