"""Files as people have them, one per host: other servers, comments, members that we do not know."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from e2a_mcp.program.hosts.entry import Entry
from e2a_mcp.program.hosts.journal import Journal
from e2a_mcp.program.hosts.locate import Machine, user_file
from e2a_mcp.program.hosts.table import HOSTS, Host

__all__ = [
    "KEYED",
    "KEY_FILE",
    "LOCAL",
    "PLATFORM",
    "REMOTE",
    "SAMPLES",
    "User",
    "comments",
    "loaded",
    "member_of",
]

DATA = Path(__file__).parent / "data"
SAMPLES = {path.stem: path for path in sorted(DATA.iterdir())}
PLATFORM = "linux"

LOCAL = Entry("/opt/e2a/bin/e2a-mcp", (), {"E2A_HOME": "/srv/mail box/é"})
KEY_FILE = "/srv/mail box/é/hosts/api-key"
KEYED = Entry(
    "uvx", ("e2a-mcp==0.1.0",), {"E2A_API_URL": "https://mail.example.com"}, keyed=True, key_file=KEY_FILE
)
REMOTE = replace(LOCAL, url="https://mail.example.com/mcp", keyed=True, key_file=KEY_FILE)


@dataclass(frozen=True)
class User:
    """A user's home folder on some machine."""

    folder: Path
    platform: str = PLATFORM

    @property
    def machine(self) -> Machine:
        return Machine(self.folder, self.platform, {})

    @property
    def journal(self) -> Journal:
        return Journal(self.folder / "e2a-home")

    def file(self, host: Host | str) -> Path:
        return user_file(HOSTS[host] if isinstance(host, str) else host, self.machine)

    def with_sample(self, key: str) -> Path:
        """Puts the sample of a host where the host has it."""
        path = self.sample_path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(SAMPLES[key].read_bytes())
        return path

    def sample_path(self, key: str) -> Path:
        return self.file(key).with_suffix(SAMPLES[key].suffix)

    def run(self, *words: str, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        """Runs `e2a install` as this user."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("E2A_", "XDG_"))}
        # Programs of hosts that this machine may have do not count.
        base = {
            **kept,
            "HOME": str(self.folder),
            "PATH": "/nowhere",
            "E2A_HOME": str(self.folder / "e2a-home"),
        }
        return subprocess.run(
            [Path(sys.executable).parent / "e2a", "install", *words],
            env={**base, **environ},
            cwd=cwd or self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def contents(self) -> dict[str, tuple[bytes, int]]:
        """Every file of the folder but those of our own home, with its mode."""
        return {
            path.relative_to(self.folder).as_posix(): (path.read_bytes(), path.stat().st_mode)
            for path in self.folder.rglob("*")
            if path.is_file() and "e2a-home" not in path.parts
        }


def loaded(host: Host, content: bytes) -> Any:
    return host.form().load(content.decode("utf-8-sig").replace("\r\n", "\n"))


def member_of(host: Host, content: bytes) -> Any:
    """What the file has of our server."""
    document = loaded(host, content)
    for step in host.container:
        document = document[step]
    return document["e2a"]


def comments(text: str) -> Iterable[str]:
    """The lines that are comments or have one; roughly, which is enough for the samples."""
    return [
        line.strip().rstrip(",") for line in text.splitlines() if "//" in line or "#" in line or "/*" in line
    ]


def as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
