"""A home served by the real command, for documents and examples to be tried on."""

from __future__ import annotations

import os
import smtplib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.dns import DnsServer, Zones
from tests.support.serving import running, smtp_address

__all__ = ["INBOX", "ServedHome", "clean_environment", "served_home"]

INBOX = "assistant@agents.localhost"
RUN_SECONDS = 60


def clean_environment(user_home: Path, **settings: str) -> dict[str, str]:
    """The environment of a user who has nothing of ours configured, and lives in `user_home`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("E2A_", "XDG_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, "HOME": str(user_home), "PATH": path, **settings}


@dataclass
class ServedHome:
    """`environment` is that of the user who started the server, `address` is the line that it printed when ready."""

    environment: dict[str, str]
    address: Mapping[str, Any]
    folder: Path
    log: Path

    @property
    def smtp(self) -> tuple[str, int]:
        return smtp_address(self.address)

    def mail(self, subject: str, text: str, *, sender: str = "me@example.org", header: str = "") -> None:
        content = f"From: {sender}\r\nTo: {INBOX}\r\nSubject: {subject}\r\n{header}\r\n{text}\r\n"
        with smtplib.SMTP(*self.smtp) as smtp:
            smtp.sendmail(sender, INBOX, content)

    def run(self, *command: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            input=stdin,
            env={**self.environment, **settings},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )


@contextmanager
def served_home(folder: Path, zones: Zones) -> Iterator[ServedHome]:
    """`e2a serve` as the README starts it, but for free ports and a DNS of its own.

    `folder` has the `.venv` that the README's commands make.
    """
    user_home = folder / "user"
    user_home.mkdir()
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    log = folder / "serve.log"
    with DnsServer(zones) as dns:
        environment = clean_environment(user_home, E2A_DNS_SERVER=dns.address)
        ports = {
            "E2A_SMTP_LISTEN": "127.0.0.1:0",
            "E2A_HTTP_LISTEN": "127.0.0.1:0",
            "E2A_PUSH_ALLOW_LOOPBACK": "true",
        }
        command = [str(folder / ".venv/bin/e2a"), "serve", "--print-run"]
        with running(command, environment | ports, log) as address:
            yield ServedHome(environment, address, folder, log)
