"""A home served by the real command, for documents and examples to be tried on."""

from __future__ import annotations

import json
import os
import smtplib
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.dns import DnsServer, Zones

__all__ = ["INBOX", "Served", "clean_environment", "served"]

INBOX = "assistant@agents.localhost"
START_SECONDS = 30
RUN_SECONDS = 60


def clean_environment(user_home: Path, **settings: str) -> dict[str, str]:
    """The environment of a user who has nothing of ours configured, and lives in `user_home`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("E2A_", "XDG_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, "HOME": str(user_home), "PATH": path, **settings}


@dataclass
class Served:
    """`environment` is that of the one who started the server; `address` is where it takes mail."""

    environment: dict[str, str]
    address: Mapping[str, Any]
    folder: Path
    said: list[str] = field(default_factory=list)

    @property
    def smtp(self) -> tuple[str, int]:
        host, _, port = str(self.address["smtp"]).rpartition(":")
        return host, int(port)

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
def served(folder: Path, zones: Zones) -> Iterator[Served]:
    """`e2a serve` as the README starts it, but for free ports and a DNS of its own.

    `folder` has the `.venv` that the README's commands make.
    """
    user_home = folder / "user"
    user_home.mkdir()
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    with DnsServer(zones) as dns:
        environment = clean_environment(user_home, E2A_DNS_SERVER=dns.address)
        ports = {"E2A_SMTP_LISTEN": "127.0.0.1:0", "E2A_HTTP_LISTEN": "127.0.0.1:0"}
        process = subprocess.Popen(
            [folder / ".venv/bin/e2a", "serve", "--print-run"],
            env=environment | ports,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        said: list[str] = []
        assert process.stderr is not None
        assert process.stdout is not None
        reader = threading.Thread(target=said.extend, args=(process.stderr,))
        reader.start()
        # A server that never gets ready must not keep the test waiting for its line.
        watchdog = threading.Timer(START_SECONDS, process.kill)
        watchdog.start()
        try:
            line = process.stdout.readline()
            watchdog.cancel()
            yield Served(environment, json.loads(line), folder, said)
        finally:
            watchdog.cancel()
            process.terminate()
            ended = process.wait(timeout=START_SECONDS)
            reader.join()
            process.stdout.close()
            process.stderr.close()
        assert ended == 0, said
