"""The bundle for hosts that install `.mcpb` files: what it says is true, and what it starts is the mailbox."""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from PIL import Image

from e2a_core.settings import setting_names
from e2a_mcp.tools import AGENT_TOOLS
from e2a_mcp.version import VERSION
from mcp import Client, StdioServerParameters, stdio_client
from tests.docs.documents import ROOT
from tests.hosts.packing import BUNDLE, pack

SCHEMA = json.loads(
    (Path(__file__).parent / "schemas/mcpb-manifest-v0.4.schema.json").read_text(encoding="utf-8")
)
MOST_BYTES = 150_000


@pytest.fixture
def manifest() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((BUNDLE / "manifest.json").read_text(encoding="utf-8"))
    return loaded


def test_the_manifest_follows_the_schema(manifest: dict[str, Any]) -> None:
    jsonschema.Draft7Validator(SCHEMA, format_checker=jsonschema.FormatChecker()).validate(manifest)
    assert manifest["manifest_version"] == "0.4"
    assert manifest["server"]["type"] == "uv"


@pytest.mark.parametrize(
    "spoilt",
    [
        {"manifest_version": "0.3"},
        {"unknown": 1},
        {"author": "Mnexa AI"},
        {"server": {"type": "uv", "entry_point": "src/server.py"}},
        {"user_config": {"api_key": {"type": "secret", "title": "x", "description": "y"}}},
        {"icons": [{"src": "icon.png", "size": "512"}]},
    ],
    ids=lambda spoilt: next(iter(spoilt)),
)
def test_the_schema_refuses_what_the_tool_would(manifest: dict[str, Any], spoilt: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(SCHEMA).validate(manifest | spoilt)


def test_versions_agree(manifest: dict[str, Any]) -> None:
    project = tomllib.loads((BUNDLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert manifest["version"] == project["version"] == VERSION
    assert project["dependencies"] == [f"e2a-mcp=={VERSION}"]
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (
        manifest["compatibility"]["runtimes"]["python"]
        == project["requires-python"]
        == ours["requires-python"]
    )
    assert manifest["license"] == ours["license"]


def test_every_setting_is_asked_for_and_known(manifest: dict[str, Any]) -> None:
    env = manifest["server"]["mcp_config"]["env"]
    assert set(env) <= set(setting_names())
    assert {re.fullmatch(r"\$\{user_config\.(\w+)\}", value)[1] for value in env.values()} == set(  # type: ignore[index]
        manifest["user_config"]
    )
    # The key goes to the keychain, and nothing has to be filled in.
    assert manifest["user_config"]["api_key"]["sensitive"] is True
    assert not any(asked["required"] for asked in manifest["user_config"].values())


def test_the_tools_are_those_of_an_agent(manifest: dict[str, Any]) -> None:
    assert manifest["tools"] == [{"name": tool.name, "description": tool.title} for tool in AGENT_TOOLS]


def test_it_is_small_and_complete(manifest: dict[str, Any], tmp_path: Path) -> None:
    packed = tmp_path / "e2a.mcpb"
    pack(packed)
    assert packed.stat().st_size <= MOST_BYTES
    with zipfile.ZipFile(packed) as archive:
        assert set(archive.namelist()) == {"manifest.json", "pyproject.toml", "src/server.py", "icon.png"}
        assert {manifest["icon"], manifest["server"]["entry_point"]} <= set(archive.namelist())
    again = tmp_path / "again.mcpb"
    pack(again)
    assert again.read_bytes() == packed.read_bytes()


def test_the_icon_is_a_square_of_512() -> None:
    for path in (BUNDLE / "icon.png", ROOT / "plugins/e2a/.claude-plugin/icon.png"):
        with Image.open(path) as icon:
            assert (icon.format, icon.size) == ("PNG", (512, 512))


@pytest.mark.anyio
async def test_it_starts_with_a_form_that_nobody_filled_in(manifest: dict[str, Any], tmp_path: Path) -> None:
    """A host that finds no value hands the placeholder on: it counts as unset, the API key too."""
    config = manifest["server"]["mcp_config"]
    assert config["command"] == "uv"
    entry = config["args"][-1]
    assert config["args"] == ["run", "--directory", "${__dirname}", entry]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("E2A_", "XDG_"))}
    ports = {"E2A_SMTP_LISTEN": "127.0.0.1:0", "E2A_HTTP_LISTEN": "127.0.0.1:0"}
    server = StdioServerParameters(
        command=sys.executable,
        args=[str(BUNDLE / entry)],
        env={**kept, **config["env"], **ports, "HOME": str(tmp_path)},
        cwd=tmp_path,
    )
    async with Client(stdio_client(server)) as agent:
        told = await agent.call_tool("whoami", {})
    assert told.structured_content is not None
    assert "assistant@agents.localhost" in json.dumps(told.structured_content)
    assert os.listdir(tmp_path) == [".local"]
