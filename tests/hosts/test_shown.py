"""What is shown of a change: ours in full, and nothing of what else the file holds."""

from __future__ import annotations

import json
import time

import pytest

from e2a_mcp.program.hosts.shown import difference

OURS = {
    "command": "/opt/e2a-mcp",
    "args": [],
    "env": {"E2A_HOME": '/srv/"é\\'},
    "timeout": 300,
    "enabled": True,
}
SECRET = "hunter2"

HOLDING = {
    "json string": '"password": "hunter2",',
    "json key beside": '"k": { "password": "hunter2" },',
    "json number": '"pin": 7341,',
    "json list": '"args": ["--key", "hunter2", 7341],',
    "json escapes": '"password": "a\\"hunter2",',
    "comment": '// password: "hunter2" is 7341',
    "block comment": "/* hunter2",
    "toml": "password = 'hunter2' # 7341",
    "toml date": "when = 7341-01-01",
    "toml text": "hunter2 and 7341",
    "yaml plain": "password: hunter2",
    "yaml number": "pin: 7341",
    "yaml item": "- hunter2",
    "yaml folded": "  hunter2 goes on, 7341 too",
    "url": '"url": "https://ann:hunter2@example.com/?pin=7341"',
    "no end": '"password": "hunter2',
}


@pytest.mark.parametrize("line", HOLDING.values(), ids=list(HOLDING))
def test_nothing_of_others_is_shown(line: str) -> None:
    """Beside the change, in a line that is taken out, and in one that is changed."""
    ours = '"e2a": ' + json.dumps(OURS, ensure_ascii=False)
    for before, after in [
        (f"{line}\n", f"{line}\n{ours}\n"),
        (f"{line}\n{ours}\n", f"{ours}\n"),
        (f"{line}\n", f"{line},\n{ours}\n"),
        (f"{{{line}}}", f"{{{line}, {ours}}}"),
        (f"{line}{' ' * 600}\n", f"{line},{' ' * 600}\n{ours}\n"),
    ]:
        told = difference(before, after, "/x", OURS)
        assert SECRET not in told
        assert "7341" not in told


def test_what_is_ours_is_shown_in_full() -> None:
    lines = json.dumps({"e2a": OURS}, indent=2, ensure_ascii=False)
    told = difference("{\n}\n", f"{{\n{lines}\n}}\n", "/x", OURS)
    assert told.splitlines()[:2] == ["--- /x", "+++ /x"]
    assert [
        line[1:] for line in told.splitlines() if line.startswith("+") and line != "+++ /x"
    ] == lines.splitlines()


def test_lines_are_counted_from_the_beginning_of_the_file() -> None:
    before = "".join(f'"a{n}": 1,\n' for n in range(1000))
    after = before.replace('"a700": 1,\n', '"a700": 1,\n"e2a": true,\n')
    assert "@@ -699,6 +699,7 @@" in difference(before, after, "/x", OURS)


def test_a_file_on_one_line_is_shown_where_it_changes() -> None:
    before = json.dumps({"a": ["hunter2"] * 10_000})
    after = before[:-1] + ', "e2a": ' + json.dumps(OURS, ensure_ascii=False) + "}"
    told = difference(before, after, "/x", OURS)
    assert len(told) < 1_000
    assert f"line 1, column {len(before)}" in told
    assert '"/opt/e2a-mcp"' in told
    assert SECRET not in told


def test_names_cannot_move_the_cursor_or_turn_the_text_around() -> None:
    told = difference('"a\x1b[2J\u202e": 1\n', '"a\x1b[2J\u202e": 1\n"e2a": 1\n', "/x\u202e", OURS)
    assert not set(told) & {"\x1b", "\u202e", "\x9b", "\r"}


def test_a_large_file_is_compared_in_time() -> None:
    before = "[\n" + "1,\n2,\n" * 200_000 + "]\n"
    began = time.monotonic()
    difference(before, before.replace("]\n", "1\n]\n"), "/x", OURS)
    difference(before, before.replace("2,", "3,"), "/x", OURS)
    assert time.monotonic() - began < 20
