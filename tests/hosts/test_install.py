"""Each host, over a file as people have it: what is written, what stays, and what `--undo` gives back."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from e2a_mcp.program.hosts import files
from e2a_mcp.program.hosts.entry import Entry
from e2a_mcp.program.hosts.install import install, undo
from e2a_mcp.program.hosts.problems import HostProblem
from e2a_mcp.program.hosts.table import HOSTS
from tests.hosts.samples import KEY_FILE, KEYED, LOCAL, REMOTE, SAMPLES, User, comments, loaded, member_of

HOME = "/srv/mail box/é"
COMMAND = "/opt/e2a/bin/e2a-mcp"
GOOSE = {
    "name": "e2a",
    "description": "The agent's mailbox: verified senders, threads, approval",
    "enabled": True,
    "timeout": 300,
}
URL = "https://mail.example.com/mcp"

EXPECTED: dict[str, dict[str, Any]] = {
    "claude-code": {"type": "stdio", "command": COMMAND, "args": [], "env": {"E2A_HOME": HOME}},
    "claude-desktop": {"command": COMMAND, "args": [], "env": {"E2A_HOME": HOME}},
    "cursor": {"command": COMMAND, "args": [], "env": {"E2A_HOME": HOME}},
    "vscode": {"type": "stdio", "command": COMMAND, "args": [], "env": {"E2A_HOME": HOME}},
    "codex": {"command": COMMAND, "args": [], "env": {"E2A_HOME": HOME}},
    "windsurf": {"command": COMMAND, "args": [], "env": {"E2A_HOME": HOME}},
    "gemini": {"command": COMMAND, "args": [], "env": {"E2A_HOME": HOME}},
    "zed": {"source": "custom", "command": COMMAND, "args": [], "env": {"E2A_HOME": HOME}},
    "goose": {
        **GOOSE,
        "env_keys": [],
        "type": "stdio",
        "cmd": COMMAND,
        "args": [],
        "envs": {"E2A_HOME": HOME},
    },
    "opencode": {"type": "local", "command": [COMMAND], "environment": {"E2A_HOME": HOME}},
}

BY_FILE = {"E2A_API_URL": "https://mail.example.com", "E2A_API_KEY_FILE": KEY_FILE}
BRIDGE = {"command": COMMAND, "args": [], "env": {"E2A_HOME": HOME, **BY_FILE}}

EXPECTED_HTTP: dict[str, dict[str, Any]] = {
    "claude-desktop": BRIDGE,
    "zed": {"source": "custom", **BRIDGE},
    "claude-code": {"type": "http", "url": URL, "headers": {"Authorization": "Bearer ${E2A_API_KEY:-}"}},
    "cursor": {"url": URL, "headers": {"Authorization": "Bearer ${env:E2A_API_KEY}"}},
    "vscode": {"type": "http", "url": URL, "headers": {"Authorization": "Bearer ${input:e2a-key}"}},
    "codex": {"url": URL, "bearer_token_env_var": "E2A_API_KEY"},
    "windsurf": {
        "serverUrl": f"{URL}?profile=inbox",
        "headers": {"Authorization": "Bearer ${env:E2A_API_KEY}"},
    },
    "gemini": {"type": "http", "url": URL, "headers": {"Authorization": "Bearer $E2A_API_KEY"}},
    "goose": {
        **GOOSE,
        "env_keys": ["E2A_API_KEY"],
        "type": "streamable_http",
        "uri": URL,
        "headers": {"Authorization": "Bearer ${E2A_API_KEY}"},
    },
    "opencode": {
        "type": "remote",
        "url": URL,
        "headers": {"Authorization": "Bearer {env:E2A_API_KEY}"},
        "oauth": False,
    },
}

EXPECTED_KEYED: dict[str, tuple[str, Any]] = {
    "claude-desktop": ("env", BY_FILE),
    "zed": ("env", BY_FILE),
    "claude-code": ("env", {"E2A_API_URL": "https://mail.example.com", "E2A_API_KEY": "${E2A_API_KEY:-}"}),
    "cursor": ("env", {"E2A_API_URL": "https://mail.example.com", "E2A_API_KEY": "${env:E2A_API_KEY}"}),
    "vscode": ("env", {"E2A_API_URL": "https://mail.example.com", "E2A_API_KEY": "${input:e2a-key}"}),
    "codex": ("env_vars", ["E2A_API_KEY"]),
    "windsurf": ("env", {"E2A_API_URL": "https://mail.example.com", "E2A_API_KEY": "${env:E2A_API_KEY}"}),
    "gemini": ("env", {"E2A_API_URL": "https://mail.example.com", "E2A_API_KEY": "$E2A_API_KEY"}),
    "goose": ("env_keys", ["E2A_API_KEY"]),
    "opencode": (
        "environment",
        {"E2A_API_URL": "https://mail.example.com", "E2A_API_KEY": "{env:E2A_API_KEY}"},
    ),
}


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


def test_every_host_has_a_sample() -> None:
    assert set(SAMPLES) == set(HOSTS) == set(EXPECTED)


def without_comma(line: str) -> str:
    return line.replace(", //", " //").rstrip(",")


@pytest.mark.parametrize("key", HOSTS)
def test_our_server_is_added_and_all_else_stays(user: User, key: str) -> None:
    host, path = HOSTS[key], user.with_sample(key)
    before = path.read_bytes()
    outcome = install(host, path, LOCAL, user.journal)
    after = path.read_bytes()
    assert outcome.state == "installed"
    assert member_of(host, after) == EXPECTED[key]
    rest = loaded(host, after)
    container = rest
    for step in host.container:
        container = container[step]
    del container["e2a"]
    assert rest == loaded(host, before)
    # Every line that was there still is, in its order; one may have got a comma.
    lines = (without_comma(line) for line in after.decode().splitlines())
    assert all(without_comma(line) in lines for line in before.decode().splitlines())
    assert list(comments(before.decode())) == [
        line for line in comments(after.decode()) if line in set(comments(before.decode()))
    ]


@pytest.mark.parametrize("key", HOSTS)
def test_a_second_run_changes_nothing(user: User, key: str) -> None:
    path = user.with_sample(key)
    install(HOSTS[key], path, LOCAL, user.journal)
    once = path.read_bytes()
    assert install(HOSTS[key], path, LOCAL, user.journal).state == "unchanged"
    assert path.read_bytes() == once


@pytest.mark.parametrize("key", HOSTS)
def test_undo_restores_byte_for_byte(user: User, key: str) -> None:
    path = user.with_sample(key)
    before = user.contents()
    install(HOSTS[key], path, LOCAL, user.journal)
    assert undo(HOSTS[key], path, user.journal).state == "restored"
    assert user.contents() == before
    assert undo(HOSTS[key], path, user.journal).state == "nothing to undo"


@pytest.mark.parametrize("key", HOSTS)
def test_undo_takes_out_our_part_of_a_file_that_changed_since(user: User, key: str) -> None:
    host, path = HOSTS[key], user.with_sample(key)
    before = path.read_bytes()
    install(host, path, LOCAL, user.journal)
    path.write_bytes(path.read_bytes() + b"\n")
    assert undo(host, path, user.journal).state == "removed"
    assert path.read_bytes() == before + b"\n"


@pytest.mark.parametrize("key", HOSTS)
@pytest.mark.parametrize("content", [None, b""], ids=["none", "empty"])
def test_a_file_of_nothing_is_begun_and_undone(user: User, key: str, content: bytes | None) -> None:
    host, path = HOSTS[key], user.file(key)
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    before = sorted(user.folder.rglob("*"))
    install(host, path, LOCAL, user.journal)
    assert member_of(host, path.read_bytes()) == EXPECTED[key]
    assert path.stat().st_mode & 0o777 == (0o600 if content is None else 0o644)
    undo(host, path, user.journal)
    assert [each for each in sorted(user.folder.rglob("*")) if "e2a-home" not in each.parts] == before
    assert content is None or path.read_bytes() == content


@pytest.mark.parametrize("key", HOSTS)
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
def test_line_ends_and_mark_are_kept(user: User, key: str, bom: bytes) -> None:
    host, path = HOSTS[key], user.with_sample(key)
    content = bom + path.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(content)
    install(host, path, LOCAL, user.journal)
    after = path.read_bytes()
    assert after.startswith(bom)
    assert after.count(b"\n") == after.count(b"\r\n") > content.count(b"\n")
    assert after.count(b"\xef\xbb\xbf") == (1 if bom else 0)
    assert member_of(host, after) == EXPECTED[key]
    path.write_bytes(after + b"\r\n")
    undo(host, path, user.journal)
    assert path.read_bytes() == content + b"\r\n"


@pytest.mark.parametrize("key", HOSTS)
def test_over_http_the_key_comes_from_the_environment(user: User, key: str) -> None:
    host, path = HOSTS[key], user.with_sample(key)
    before = path.read_bytes()
    install(host, path, REMOTE, user.journal)
    assert member_of(host, path.read_bytes()) == EXPECTED_HTTP[key]
    path.write_bytes(path.read_bytes() + b"\n")
    undo(host, path, user.journal)
    assert path.read_bytes() == before + b"\n"


@pytest.mark.parametrize("key", HOSTS)
def test_a_command_gets_the_key_by_reference(user: User, key: str) -> None:
    host, path = HOSTS[key], user.with_sample(key)
    install(host, path, KEYED, user.journal)
    name, value = EXPECTED_KEYED[key]
    assert member_of(host, path.read_bytes())[name] == value


@pytest.mark.parametrize("key", ["claude-desktop", "zed"])
@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (replace(REMOTE, url="https://mail.example.com/elsewhere"), "ends in /mcp"),
        (replace(REMOTE, key_file=""), "without --project"),
        (replace(KEYED, key_file=""), "without --project"),
    ],
)
def test_a_host_without_references_is_not_set_up_where_no_file_can_have_the_key(
    user: User, key: str, entry: Entry, told: str
) -> None:
    host, path = HOSTS[key], user.with_sample(key)
    before = path.read_bytes()
    with pytest.raises(HostProblem, match=told):
        install(host, path, entry, user.journal)
    assert path.read_bytes() == before


def test_vscode_asks_for_the_key_once(user: User) -> None:
    host, path = HOSTS["vscode"], user.with_sample("vscode")
    install(host, path, REMOTE, user.journal)
    ids = [each["id"] for each in loaded(host, path.read_bytes())["inputs"]]
    assert ids == ["perplexity-key", "e2a-key"]
    assert install(host, path, REMOTE, user.journal).state == "unchanged"


def test_opencode_2_has_its_servers_deeper(user: User) -> None:
    host, path = HOSTS["opencode"], user.file("opencode")
    path.parent.mkdir(parents=True)
    path.write_text('{"mcp": {"servers": {"x": {"type": "local", "command": ["x"]}}}}', encoding="utf-8")
    before = path.read_bytes()
    install(host, path, LOCAL, user.journal)
    assert loaded(host, path.read_bytes())["mcp"]["servers"]["e2a"] == EXPECTED["opencode"]
    undo(host, path, user.journal)
    assert path.read_bytes() == before
    # A server that somebody called `servers` is no second layout.
    path.write_text('{"mcp": {"servers": {"type": "local", "command": ["x"]}}}', encoding="utf-8")
    install(host, path, LOCAL, user.journal)
    assert loaded(host, path.read_bytes())["mcp"]["e2a"] == EXPECTED["opencode"]


def test_another_server_of_our_name_is_not_replaced(user: User) -> None:
    host, path = HOSTS["cursor"], user.file("cursor")
    path.parent.mkdir(parents=True)
    path.write_text('{"mcpServers": {"e2a": {"command": "mine"}, "b": {}}}', encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(HostProblem, match="--force"):
        install(host, path, LOCAL, user.journal)
    assert path.read_bytes() == before
    install(host, path, LOCAL, user.journal, force=True)
    assert member_of(host, path.read_bytes()) == EXPECTED["cursor"]
    # What stood there comes back, even though the file changed.
    path.write_bytes(path.read_bytes() + b"\n")
    undo(host, path, user.journal)
    assert loaded(host, path.read_bytes()) == {"mcpServers": {"e2a": {"command": "mine"}, "b": {}}}


def test_what_we_wrote_is_replaced_by_a_newer_one(user: User) -> None:
    host, path = HOSTS["codex"], user.with_sample("codex")
    before = path.read_bytes()
    install(host, path, KEYED, user.journal)
    assert install(host, path, LOCAL, user.journal).state == "installed"
    assert member_of(host, path.read_bytes()) == EXPECTED["codex"]
    assert undo(host, path, user.journal).state == "restored"
    assert path.read_bytes() == before


@pytest.mark.parametrize("key", HOSTS)
def test_a_broken_file_stays_as_it_is(user: User, key: str) -> None:
    path = user.with_sample(key)
    broken = path.read_bytes() + b"\n}}} : [\n"
    path.write_bytes(broken)
    with pytest.raises(HostProblem, match=r"line \d+, column \d+") as caught:
        install(HOSTS[key], path, LOCAL, user.journal)
    assert "paste this" in str(caught.value)
    assert COMMAND in caught.value.snippet
    assert path.read_bytes() == broken
    assert not list((user.folder / "e2a-home").rglob("*.bak"))


@pytest.mark.parametrize(
    ("key", "content", "where"),
    [
        ("cursor", '{\n  "mcpServers": {\n    "a": {} "b": {}\n  }\n}\n', "line 3, column 13"),
        ("cursor", '{\n  "a": "x\n"}', "line 2, column 8"),
        ("cursor", '{"a": 1', "line 1, column 8"),
        ("cursor", "{\n  'a': 1}", "line 2, column 3"),
        ("cursor", '{"a": 01}', "line 1, column 8"),
        ("cursor", '{"a": /* x }', "line 1, column 7"),
        ("cursor", '{"a": "\\q"}', "line 1, column 8"),
        ("cursor", '{"a": NaN}', "line 1, column 7"),
        ("claude-code", '{\n  // mine\n  "a": 1\n}', "line 2, column 3"),
        ("claude-code", '{\n  "a": 1,\n}', "line 2, column 9"),
        ("codex", "a = 1\nb = \n", "line 2, column 5"),
        ("codex", "a = 1\na = 2\n", "line 2, column 6"),
        ("goose", "a: [1\nb: 2\n", "line 2, column 2"),
        ("goose", "a: 1\na: 2\n", "line 2, column 1"),
        ("goose", "a: 1\n---\nb: 2\n", "line 2, column 1"),
        ("goose", "a: \x01\n", "line 1, column 4"),
    ],
)
def test_a_broken_file_is_told_by_line_and_column(user: User, key: str, content: str, where: str) -> None:
    path = user.file(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    with pytest.raises(HostProblem, match=where):
        install(HOSTS[key], path, LOCAL, user.journal)
    assert path.read_text(encoding="utf-8") == content


@pytest.mark.parametrize(
    ("key", "content"),
    [
        ("cursor", b"[]"),
        ("cursor", b'"x"'),
        ("cursor", b'{"mcpServers": []}'),
        ("cursor", b'{"mcpServers": null}'),
        ("cursor", b'{"mcpServers": {}, "mcpServers": {}}'),
        ("cursor", b"\xff\xfe{\x00}\x00"),
        ("cursor", b'{"a": "\xe9"}'),
        ("cursor", b"[" * 100_000),
        ("cursor", b'{"a": ' * 2_000 + b"1" + b"}" * 2_000),
        ("vscode", b'{"inputs": {}}'),
        ("codex", b"mcp_servers = 1\n"),
        ("codex", b"a = " + b"[" * 5_000 + b"]" * 5_000),
        ("goose", b"- a\n"),
        ("goose", b"extensions: 1\n"),
        ("goose", b"extensions: [a]\n"),
        ("goose", b"a: " + b"[" * 5_000 + b"]" * 5_000),
    ],
)
def test_what_cannot_be_edited_stays_as_it_is(user: User, key: str, content: bytes) -> None:
    path = user.file(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(HostProblem):
        install(HOSTS[key], path, REMOTE, user.journal)
    assert path.read_bytes() == content


def test_symbolic_links_and_modes_are_kept(user: User) -> None:
    target = user.folder / "dotfiles" / "cursor.json"
    target.parent.mkdir()
    target.write_bytes(SAMPLES["cursor"].read_bytes())
    target.chmod(0o640)
    path = user.file("cursor")
    path.parent.mkdir(parents=True)
    path.symlink_to(os.path.relpath(target, path.parent))
    install(HOSTS["cursor"], path, LOCAL, user.journal)
    assert path.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert member_of(HOSTS["cursor"], target.read_bytes()) == EXPECTED["cursor"]
    undo(HOSTS["cursor"], path, user.journal)
    assert path.is_symlink()
    assert target.read_bytes() == SAMPLES["cursor"].read_bytes()
    assert target.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("kind", ["loop", "folder", "fifo", "large"])
def test_what_is_no_configuration_is_refused(user: User, kind: str) -> None:
    path = user.file("cursor")
    path.parent.mkdir(parents=True)
    if kind == "loop":
        path.symlink_to(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.write_bytes(b" " * 5_000_001)
    with pytest.raises(HostProblem, match=str(path)):
        install(HOSTS["cursor"], path, LOCAL, user.journal)


def test_a_link_to_nothing_yet_is_followed(user: User) -> None:
    target, path = user.folder / "dotfiles" / "cursor.json", user.file("cursor")
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    install(HOSTS["cursor"], path, LOCAL, user.journal)
    assert path.is_symlink()
    assert member_of(HOSTS["cursor"], target.read_bytes()) == EXPECTED["cursor"]
    undo(HOSTS["cursor"], path, user.journal)
    assert path.is_symlink()
    assert not target.parent.exists()


def test_servers_that_came_after_ours_stay(user: User) -> None:
    """We made the file and its container; somebody else uses both by now."""
    path = user.file("cursor")
    install(HOSTS["cursor"], path, LOCAL, user.journal)
    document = loaded(HOSTS["cursor"], path.read_bytes())
    document["mcpServers"]["other"] = {"command": "x"}
    path.write_text(json.dumps(document), encoding="utf-8")
    undo(HOSTS["cursor"], path, user.journal)
    assert loaded(HOSTS["cursor"], path.read_bytes()) == {"mcpServers": {"other": {"command": "x"}}}


def test_an_entry_that_its_owner_took_out_is_no_more_to_undo(user: User) -> None:
    path = user.with_sample("gemini")
    install(HOSTS["gemini"], path, LOCAL, user.journal)
    path.write_text('{ "mine": 1 } // now', encoding="utf-8")
    undo(HOSTS["gemini"], path, user.journal)
    assert path.read_text(encoding="utf-8") == '{ "mine": 1 } // now'
    path.unlink()
    install(HOSTS["gemini"], path, LOCAL, user.journal)
    path.unlink()
    undo(HOSTS["gemini"], path, user.journal)
    assert not path.exists()
    assert user.journal.read() == []


def test_without_a_place_for_the_copy_nothing_is_written(user: User) -> None:
    path = user.with_sample("cursor")
    (user.folder / "e2a-home").write_text("no folder", encoding="utf-8")
    with pytest.raises(HostProblem, match="cannot be kept"):
        install(HOSTS["cursor"], path, LOCAL, user.journal)
    assert path.read_bytes() == SAMPLES["cursor"].read_bytes()


def test_a_journal_that_cannot_be_read_stops_it(user: User) -> None:
    path = user.with_sample("cursor")
    install(HOSTS["cursor"], path, LOCAL, user.journal)
    once = path.read_bytes()
    (user.folder / "e2a-home/hosts/journal.jsonl").write_text('{"host": "cursor"}\n', encoding="utf-8")
    with pytest.raises(HostProblem, match="journal"):
        undo(HOSTS["cursor"], path, user.journal)
    assert path.read_bytes() == once


def test_a_run_that_ended_before_it_wrote_does_no_harm(user: User) -> None:
    """The journal comes first, so a crash can leave an entry without its change."""
    path = user.with_sample("cursor")
    install(HOSTS["cursor"], path, LOCAL, user.journal)
    path.write_bytes(SAMPLES["cursor"].read_bytes())
    assert undo(HOSTS["cursor"], path, user.journal).state == "restored"
    assert path.read_bytes() == SAMPLES["cursor"].read_bytes()


def test_a_copy_that_is_lost_or_spoilt_is_not_used(user: User) -> None:
    path = user.with_sample("codex")
    outcome = install(HOSTS["codex"], path, LOCAL, user.journal)
    assert outcome.copy is not None
    outcome.copy.write_bytes(b"spoilt")
    assert undo(HOSTS["codex"], path, user.journal).state == "removed"
    assert path.read_bytes() == SAMPLES["codex"].read_bytes()


def test_copies_are_for_the_owner_alone(user: User) -> None:
    path = user.with_sample("cursor")
    outcome = install(HOSTS["cursor"], path, LOCAL, user.journal)
    assert outcome.copy is not None
    assert outcome.copy.read_bytes() == SAMPLES["cursor"].read_bytes()
    for each in (user.folder / "e2a-home").rglob("*"):
        assert each.stat().st_mode & 0o077 == 0 or each.name == "lock"


def test_two_runs_at_once_install_once(user: User) -> None:
    for key in HOSTS:
        user.with_sample(key)
    states: list[str] = []

    def run() -> None:
        states.extend(install(HOSTS[key], user.sample_path(key), LOCAL, user.journal).state for key in HOSTS)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(states) == ["installed"] * len(HOSTS) + ["unchanged"] * 3 * len(HOSTS)
    for key in HOSTS:
        assert undo(HOSTS[key], user.sample_path(key), user.journal).state == "restored"
        assert user.sample_path(key).read_bytes() == SAMPLES[key].read_bytes()


def test_what_a_host_writes_meanwhile_is_not_lost(user: User) -> None:
    path = user.with_sample("cursor")
    was = files.read(path)
    path.write_bytes(b"{}")
    with pytest.raises(files.ChangedMeanwhile):
        files.replace(was, b"ours", mode_if_new=0o600)
    with pytest.raises(files.ChangedMeanwhile):
        files.remove(was, [])
    assert path.read_bytes() == b"{}"
    assert os.listdir(path.parent) == [path.name]


def test_a_folder_that_cannot_be_written_is_told(user: User) -> None:
    path = user.file("cursor")
    path.parent.write_text("a file in place of the folder", encoding="utf-8")
    before = user.contents()
    with pytest.raises(HostProblem, match=str(path)):
        install(HOSTS["cursor"], path, LOCAL, user.journal)
    assert user.contents() == before
    assert user.journal.read() == []
