"""Runs `e2a doctor` on a home as a shell does, and reads its report."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.support.forking import run_e2a

__all__ = ["Doctored", "doctor", "e2a", "environment", "unchanged"]

SECONDS = 60
PORTS = {"E2A_SMTP_LISTEN": "127.0.0.1:0", "E2A_HTTP_LISTEN": "127.0.0.1:0"}


@dataclass(frozen=True)
class Doctored:
    """The exit status and the report."""

    status: int
    report: Mapping[str, Any]

    def all(self, id: str) -> list[Mapping[str, Any]]:
        return [check for check in self.report["checks"] if check["id"] == id]

    def one(self, id: str, target: str | None = None) -> Mapping[str, Any]:
        found = [check for check in self.all(id) if target in (None, check.get("target"))]
        assert len(found) == 1, (id, target, [check["id"] for check in self.report["checks"]])
        return found[0]

    def code(self, id: str, target: str | None = None) -> tuple[str, str]:
        check = self.one(id, target)
        return check["status"], check["reason_code"]

    def troubles(self) -> set[tuple[str, str]]:
        """What failed or wants to be looked at, by id and reason."""
        return {
            (check["id"], check["reason_code"])
            for check in self.report["checks"]
            if check["status"] in {"fail", "warn"}
        }


def environment(home: Path, **settings: str) -> dict[str, str]:
    """The environment of a home; `settings` are named without `E2A_`, in lower case."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("E2A_")}
    given = {f"E2A_{name.upper()}": value for name, value in settings.items()}
    return {**inherited, "E2A_HOME": str(home), **PORTS, **given}


def e2a(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return run_e2a(environment(home, **settings), *arguments, timeout=SECONDS)


def doctor(home: Path, *arguments: str, **settings: str) -> Doctored:
    """Runs `e2a doctor --json`; its report and its exit status say the same."""
    done = e2a(home, "doctor", "--json", *arguments, **settings)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["exit_code"] == done.returncode
    assert report["schema"] == "e2a.doctor/v1"
    for check in report["checks"]:
        assert check["status"] not in {"warn", "fail"} or check["fix"], check
    return Doctored(done.returncode, report)


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Nothing in the folder changes meanwhile: no content, no mode, no time, no name."""
    before = _picture(folder)
    yield
    assert _picture(folder) == before


def _picture(folder: Path) -> dict[str, Any]:
    return {str(path.relative_to(folder)): _seen(path) for path in [folder, *sorted(folder.rglob("*"))]}


def _seen(path: Path) -> tuple[int, int, str]:
    about = path.stat()
    content = sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return about.st_mode, about.st_mtime_ns, content
