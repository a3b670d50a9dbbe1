"""The plugin for Claude Code, Codex and Cursor: one folder, three manifests, one skill."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from e2a_core.settings import setting_names
from e2a_mcp.tools import ACCOUNT_TOOLS, AGENT_TOOLS
from e2a_mcp.version import VERSION
from tests.docs.documents import ROOT

PLUGIN = ROOT / "plugins/e2a"
SKILL = PLUGIN / "skills/mail/SKILL.md"
MANIFESTS = {host: PLUGIN / f".{host}-plugin/plugin.json" for host in ("claude", "codex", "cursor")}
MARKETPLACES = [ROOT / f".{host}-plugin/marketplace.json" for host in ("claude", "cursor")]


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("host", MANIFESTS)
def test_a_manifest_says_what_the_others_say(host: str) -> None:
    manifest, claude = load(MANIFESTS[host]), load(MANIFESTS["claude"])
    for member in ("name", "version", "description", "homepage", "repository", "license", "keywords"):
        assert manifest[member] == claude[member]
    assert manifest["version"] == VERSION
    # Paths start at the folder of the plugin, and stay in it.
    for member in ("skills", "mcpServers"):
        path = (PLUGIN / manifest[member]).resolve()
        assert path.exists()
        assert path.is_relative_to(PLUGIN)


@pytest.mark.parametrize("host", MANIFESTS)
def test_the_server_is_the_mailbox_of_this_version(host: str) -> None:
    servers = load(PLUGIN / load(MANIFESTS[host])["mcpServers"])["mcpServers"]
    [(name, server)] = servers.items()
    assert name == "e2a"
    assert (server["command"], server["args"]) == ("uvx", [f"e2a-mcp=={VERSION}"])
    assert set(server.get("env", server.get("env_vars"))) <= set(setting_names())


def test_each_host_gets_placeholders_that_it_knows() -> None:
    claude = load(PLUGIN / ".mcp.json")["mcpServers"]["e2a"]["env"]
    asked = load(MANIFESTS["claude"])["userConfig"]
    assert set(claude.values()) == {f"${{user_config.{name}}}" for name in asked}
    assert asked["api_key"]["sensitive"] is True
    cursor = load(PLUGIN / "mcp.json")["mcpServers"]["e2a"]["env"]
    assert cursor == {name: f"${{env:{name}}}" for name in cursor}
    # Codex replaces none, and hands on what it is told to.
    codex = load(PLUGIN / "codex.mcp.json")["mcpServers"]["e2a"]
    assert "$" not in json.dumps(codex)


def test_the_manifest_of_cursor_follows_its_schema() -> None:
    schema = load(Path(__file__).parent / "schemas/cursor-plugin.json")
    jsonschema.Draft7Validator(schema).validate(load(MANIFESTS["cursor"]))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate(load(MANIFESTS["claude"]))


@pytest.mark.parametrize("path", MARKETPLACES, ids=lambda path: path.parent.name)
def test_the_marketplace_lists_the_plugin(path: Path) -> None:
    market = load(path)
    assert market["name"] == "mnexa"
    [listed] = market["plugins"]
    assert (ROOT / listed["source"]).resolve() == PLUGIN
    manifest = load(MANIFESTS["claude"])
    assert (listed["name"], listed["description"]) == (manifest["name"], manifest["description"])
    assert listed.get("version", VERSION) == VERSION


def test_the_skill_has_what_a_host_reads_first() -> None:
    _, front, body = SKILL.read_text(encoding="utf-8").split("---\n", 2)
    told = yaml.safe_load(front)
    assert set(told) == {"name", "description"}
    assert told["name"] == SKILL.parent.name
    assert re.fullmatch(r"[a-z0-9-]{1,64}", told["name"])
    assert 50 < len(told["description"]) <= 1024
    # It is read in full whenever mail is the task.
    assert len(body) < 5_000


def test_the_skill_names_tools_and_verdicts_that_there_are() -> None:
    text = SKILL.read_text(encoding="utf-8")
    tools = {tool.name: tool for tool in AGENT_TOOLS}
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text))
    others = {"next_cursor", "pending_review"}
    assert named - others <= set(tools)
    assert not named & {tool.name for tool in ACCOUNT_TOOLS}
    assert named >= {"list_messages", "get_message", "reply_to_message", "wait_for_message", "ask_owner"}
    for verdict in ("verified", "partial", "unverified", "failed"):
        assert f"| `{verdict}` |" in text


def test_the_readme_is_long_enough_for_a_directory() -> None:
    assert len((PLUGIN / "README.md").read_text(encoding="utf-8").split()) >= 40
