"""What a model or a marketplace reads of this project: it can be followed, and its parts say the same."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from e2a_mcp.program.hosts.table import HOSTS
from e2a_mcp.version import VERSION
from tests.docs.documents import ROOT, snippets
from tests.docs.generated import llms_txt
from tests.docs.served import clean_environment

SETUP = (ROOT / "docs/setup.md").read_text(encoding="utf-8")
LLMS = (ROOT / "docs/llms.txt").read_text(encoding="utf-8")
RAW = "https://raw.githubusercontent.com/Mnexa-AI/e2a-mcp/main/"


def test_setup_can_be_followed_from_top_to_bottom(tmp_path: Path) -> None:
    """Each block in its order, in one home; the program that is tested stands in for the one on the index."""
    blocks = [each.text for each in snippets("bash") if each.place.startswith("docs/setup.md")]
    assert blocks[0].startswith("python3 -m venv ~/.e2a && ~/.e2a/bin/pip install e2a-mcp\n")
    (tmp_path / ".e2a").mkdir()
    (tmp_path / ".e2a/bin").symlink_to(Path(sys.executable).parent)
    script = "\n".join([blocks[0].partition("\n")[2], *blocks[1:]])
    ports = {"E2A_SMTP_LISTEN": "127.0.0.1:0", "E2A_HTTP_LISTEN": "127.0.0.1:0"}
    environment = clean_environment(tmp_path, **ports) | {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"e2a {VERSION}" in done.stdout
    states = re.findall(r"^Claude Code: (.+)  ", done.stdout, re.MULTILINE)
    # The last is the other deployment's, which would replace what the step before wrote.
    assert states == ["would install", "installed", "would install"]
    member = json.loads((tmp_path / ".claude.json").read_text(encoding="utf-8"))["mcpServers"]["e2a"]
    assert Path(member["command"]).is_file()


def test_setup_names_every_host_and_no_other_page() -> None:
    for host in HOSTS:
        assert f"`{host}`" in SETUP
    assert not re.findall(r"\]\(([^)]+)\)", SETUP)


def test_the_index_for_models_has_the_form_they_know() -> None:
    assert llms_txt() == LLMS
    lines = LLMS.splitlines()
    assert re.fullmatch(r"# \S.*", lines[0])
    assert lines[2].startswith("> ")
    assert LLMS.count("\n## ") == 1
    items = [line for line in lines if line.startswith("- ")]
    assert all(re.fullmatch(rf"- \[[^]]+\]\({re.escape(RAW)}\S+\): \S.*", item) for item in items)


def test_the_index_for_models_has_every_page_once() -> None:
    linked = [
        link.removeprefix(RAW) for link in re.findall(rf"^- .*\(({re.escape(RAW)}\S+)\)", LLMS, re.MULTILINE)
    ]
    pages = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} - {"docs/index.md"}
    assert sorted(linked) == sorted(pages | {"README.md"})


def load(path: str) -> Any:
    return json.loads((ROOT / path).read_text(encoding="utf-8"))


def test_what_a_marketplace_can_read_says_the_same() -> None:
    """An importer that only knows the repository finds one name, one version and one command wherever it looks."""
    entry, plugin, bundle = (
        load("server.json"),
        load("plugins/e2a/.claude-plugin/plugin.json"),
        load("bundle/manifest.json"),
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {each["version"] for each in (entry, plugin, bundle, project)} == {VERSION}
    assert {each["description"] for each in (entry, plugin, bundle)} == {entry["description"]}
    assert entry["title"] == plugin["displayName"] == bundle["display_name"]
    assert entry["websiteUrl"] == plugin["repository"] == bundle["homepage"] == project["urls"]["Homepage"]
    [package] = entry["packages"]
    assert package["identifier"] == project["name"] == bundle["name"]
    server = load("plugins/e2a/.mcp.json")["mcpServers"]["e2a"]
    assert (server["command"], server["args"]) == (
        package["runtimeHint"],
        [f"{package['identifier']}=={VERSION}"],
    )


def test_the_readme_shows_the_names_that_are_listed() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    owner, repository = load("server.json")["repository"]["url"].split("/")[-2:]
    slug = f"mcp-{owner}-{repository.removesuffix('-mcp')}".lower()
    assert f"agentstack add {slug}" in readme
    [block] = [
        each.text for each in snippets("json") if each.place.startswith("README") and '"uvx"' in each.text
    ]
    assert json.loads(block)["mcpServers"]["e2a"]["args"] == ["e2a-mcp"]


@pytest.mark.parametrize("icon", load("server.json")["icons"], ids=lambda icon: icon["src"])
def test_the_icons_are_in_the_repository(icon: dict[str, Any]) -> None:
    assert icon["src"].startswith(RAW)
    assert (ROOT / icon["src"].removeprefix(RAW)).is_file()
