"""Where the hosts have their files, on each platform."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2a_mcp.program.hosts.locate import Machine, is_present, project_file, user_file
from e2a_mcp.program.hosts.table import HOSTS

LINUX = {
    "claude-code": ".claude.json",
    "claude-desktop": ".config/Claude/claude_desktop_config.json",
    "cursor": ".cursor/mcp.json",
    "vscode": ".config/Code/User/mcp.json",
    "codex": ".codex/config.toml",
    "windsurf": ".codeium/windsurf/mcp_config.json",
    "gemini": ".gemini/settings.json",
    "zed": ".config/zed/settings.json",
    "goose": ".config/goose/config.yaml",
    "opencode": ".config/opencode/opencode.json",
}
MACOS = LINUX | {
    "claude-desktop": "Library/Application Support/Claude/claude_desktop_config.json",
    "vscode": "Library/Application Support/Code/User/mcp.json",
}
WINDOWS = LINUX | {
    "claude-desktop": "AppData/Roaming/Claude/claude_desktop_config.json",
    "vscode": "AppData/Roaming/Code/User/mcp.json",
    "zed": "AppData/Roaming/Zed/settings.json",
    "goose": "AppData/Roaming/Block/goose/config/config.yaml",
}


@pytest.mark.parametrize(
    ("platform", "files"), [("linux", LINUX), ("darwin", MACOS), ("win32", WINDOWS)], ids=str
)
def test_the_file_of_the_user(tmp_path: Path, platform: str, files: dict[str, str]) -> None:
    machine = Machine(tmp_path, platform, {})
    found = {key: user_file(host, machine).relative_to(tmp_path).as_posix() for key, host in HOSTS.items()}
    assert found == files
    assert not any(is_present(host, machine) for host in HOSTS.values())


def test_variables_name_other_folders(tmp_path: Path) -> None:
    elsewhere = {
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
        "CODEX_HOME": str(tmp_path / "codex"),
        "CLAUDE_CONFIG_DIR": str(tmp_path / "claude"),
    }
    machine = Machine(tmp_path, "linux", elsewhere)
    assert user_file(HOSTS["codex"], machine) == tmp_path / "codex/config.toml"
    assert user_file(HOSTS["goose"], machine) == tmp_path / "xdg/goose/config.yaml"
    assert user_file(HOSTS["vscode"], machine) == tmp_path / "xdg/Code/User/mcp.json"
    assert user_file(HOSTS["claude-code"], machine) == tmp_path / "claude/.claude.json"
    # A relative path counts as none.
    relative = Machine(tmp_path, "linux", {"XDG_CONFIG_HOME": "xdg", "CODEX_HOME": ""})
    assert user_file(HOSTS["goose"], relative) == tmp_path / ".config/goose/config.yaml"
    assert user_file(HOSTS["codex"], relative) == tmp_path / ".codex/config.toml"


def test_claude_desktop_from_the_store_has_a_folder_of_its_own(tmp_path: Path) -> None:
    store = tmp_path / "AppData/Local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude"
    store.mkdir(parents=True)
    machine = Machine(tmp_path, "win32", {})
    assert user_file(HOSTS["claude-desktop"], machine) == store / "claude_desktop_config.json"
    assert is_present(HOSTS["claude-desktop"], machine)


def test_a_file_that_exists_is_the_one(tmp_path: Path) -> None:
    opencode = tmp_path / ".config/opencode/opencode.jsonc"
    zed = tmp_path / "Library/Application Support/Zed/settings.json"
    for path in (opencode, zed):
        path.parent.mkdir(parents=True)
        path.write_text("{}", encoding="utf-8")
    machine = Machine(tmp_path, "darwin", {})
    assert user_file(HOSTS["opencode"], machine) == opencode
    assert user_file(HOSTS["zed"], machine) == zed
    (tmp_path / "opencode.jsonc").write_text("{}", encoding="utf-8")
    assert project_file(HOSTS["opencode"], tmp_path) == tmp_path / "opencode.jsonc"


def test_a_folder_is_a_sign_of_the_host(tmp_path: Path) -> None:
    (tmp_path / ".codeium/windsurf").mkdir(parents=True)
    machine = Machine(tmp_path, "linux", {})
    assert [key for key, host in HOSTS.items() if is_present(host, machine)] == ["windsurf"]
