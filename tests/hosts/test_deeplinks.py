"""Links that install the server, read as the hosts read them."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from e2a_mcp.program.hosts.deeplinks import cursor_link, deeplink, goose_link, vscode_link
from e2a_mcp.program.hosts.entry import Entry
from e2a_mcp.program.hosts.problems import HostProblem
from e2a_mcp.program.hosts.table import HOSTS
from tests.hosts.samples import KEYED, LOCAL, REMOTE

URL = "https://mail.example.com/mcp"


def cursor(entry: Entry) -> object:
    parts = urlsplit(cursor_link(entry))
    assert (parts.scheme, parts.netloc, parts.path) == ("cursor", "anysphere.cursor-deeplink", "/mcp/install")
    query = parse_qs(parts.query, strict_parsing=True)
    assert query["name"] == ["e2a"]
    return json.loads(base64.b64decode(query["config"][0], validate=True))


def test_cursor() -> None:
    assert cursor(LOCAL) == {
        "command": "/opt/e2a/bin/e2a-mcp",
        "args": [],
        "env": {"E2A_HOME": "/srv/mail box/é"},
    }
    assert cursor(REMOTE) == {"url": URL, "headers": {"Authorization": "Bearer ${env:E2A_API_KEY}"}}


@pytest.mark.parametrize(("insiders", "scheme"), [(False, "vscode"), (True, "vscode-insiders")])
def test_vscode(insiders: bool, scheme: str) -> None:
    link = vscode_link(REMOTE, insiders=insiders)
    front, _, rest = link.partition("?")
    assert front == f"{scheme}:mcp/install"
    assert json.loads(unquote(rest)) == {
        "name": "e2a",
        "type": "http",
        "url": URL,
        "headers": {"Authorization": "Bearer ${input:e2a-key}"},
        "inputs": [
            {"type": "promptString", "id": "e2a-key", "description": "API key of e2a", "password": True}
        ],
    }
    assert "inputs" not in json.loads(unquote(vscode_link(LOCAL).partition("?")[2]))


def test_goose() -> None:
    query = parse_qs(urlsplit(goose_link(KEYED)).query, keep_blank_values=True)
    assert query["cmd"] == ["uvx"]
    assert query["arg"] == ["e2a-mcp==0.1.0"]
    assert query["id"] == ["e2a"]
    assert query["timeout"] == ["300"]
    assert query["env"] == ["E2A_API_URL=https://mail.example.com", "E2A_API_KEY="]
    remote = parse_qs(urlsplit(goose_link(REMOTE)).query)
    assert (remote["type"], remote["url"]) == (["streamable_http"], [URL])


def test_goose_takes_a_program_by_name_alone() -> None:
    query = parse_qs(urlsplit(goose_link(Entry("/usr/local/bin/uvx", ("e2a-mcp",)))).query)
    assert query["cmd"] == ["uvx"]
    with pytest.raises(HostProblem, match="runs no /opt"):
        goose_link(LOCAL)


def test_nothing_in_a_link_can_end_an_attribute() -> None:
    """They are put into pages: a quote or a bracket in a path must not get out of one."""
    entry = Entry("uvx", ('e2a"><script>', "a&b=c#d"), {"E2A_HOME": "/x'\"<>&%\r\n"})
    for link in (cursor_link(entry), vscode_link(entry), goose_link(entry)):
        assert not set(link) & set("\"'<> \r\n#")


@pytest.mark.parametrize("key", sorted(set(HOSTS) - {"cursor", "vscode", "goose"}))
def test_other_hosts_have_none(key: str) -> None:
    with pytest.raises(HostProblem, match="has no link"):
        deeplink(HOSTS[key], LOCAL)
