"""Where the files of hosts are on this machine, and which hosts it has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from e2a_mcp.program.hosts.problems import HostProblem
from e2a_mcp.program.hosts.table import Host

__all__ = ["Machine", "is_present", "project_file", "user_file"]


@dataclass(frozen=True, slots=True)
class Machine:
    """What the paths depend on."""

    home: Path
    platform: str
    environ: Mapping[str, str]

    def path(self, template: str) -> Path | None:
        """Returns the path of a template of the table; None where this platform has none."""
        name, _, rest = template.partition("/")
        base = self._bases().get(name.strip("{}"))
        return base / rest if base is not None else None

    def _bases(self) -> dict[str, Path | None]:
        dot_config = self._named("XDG_CONFIG_HOME") or self.home / ".config"
        if self.platform == "win32":
            config = self._named("APPDATA") or self.home / "AppData/Roaming"
            local = self._named("LOCALAPPDATA") or self.home / "AppData/Local"
            store = local / "Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming"
        else:
            config = self.home / "Library/Application Support" if self.platform == "darwin" else dot_config
            store = None
        return {
            "home": self.home,
            "config": config,
            "xdg": dot_config,
            "store": store,
            "claude": self._named("CLAUDE_CONFIG_DIR") or self.home,
            "codex": self._named("CODEX_HOME") or self.home / ".codex",
        }

    def _named(self, variable: str) -> Path | None:
        # The XDG specification has a relative path ignored.
        value = self.environ.get(variable, "")
        return Path(value) if os.path.isabs(value) else None


def user_file(host: Host, machine: Machine) -> Path:
    """Returns the file with the servers of the user, whether it exists or not."""
    spots = host.spots.get(machine.platform) or host.spots[""]
    for spot in spots[:-1]:
        mark = machine.path(spot.mark)
        if mark is not None and mark.exists():
            return _required(machine.path(spot.file))
    return _required(machine.path(spots[-1].file))


def project_file(host: Host, folder: Path) -> Path:
    """Returns the file with the servers of a project. Raises `HostProblem` if the host has none."""
    if host.project is None:
        raise HostProblem(f"{host.title} has no file for a project")
    file = folder / host.project
    alternative = file.with_suffix(".jsonc")
    return alternative if host.key == "opencode" and alternative.exists() else file


def is_present(host: Host, machine: Machine) -> bool:
    """Returns whether the host is installed: it left a file or a folder, or its program is found."""
    signs = [machine.path(sign) for sign in host.signs]
    if user_file(host, machine).exists() or any(sign is not None and sign.is_dir() for sign in signs):
        return True
    search = machine.environ.get("PATH", "")
    return any(shutil.which(program, path=search) for program in host.programs if search)


def _required(path: Path | None) -> Path:
    assert path is not None, "each platform's own spots have a base there"
    return path
