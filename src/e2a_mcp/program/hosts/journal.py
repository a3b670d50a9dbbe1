"""What was done to the files of hosts, and copies of the files as they were, in the home: `--undo` needs both."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from e2a_core.local.files import replace_private
from e2a_core.setting_kinds import path as path_setting
from e2a_core.settings import default_home
from e2a_mcp.program.hosts.edit import Change
from e2a_mcp.program.hosts.files import digest
from e2a_mcp.program.hosts.places import Item, Place
from e2a_mcp.program.hosts.problems import HostProblem

__all__ = ["Done", "Journal", "journal_home"]

LOCK_SECONDS = 30
"""How long one run waits for another; a run takes well under a second."""


@dataclass(frozen=True, slots=True)
class Done:
    """One replaced file."""

    host: str
    path: str
    """As the host names it, before symbolic links are resolved."""
    project: bool
    sha_before: str | None
    """None if there was no file."""
    sha_after: str
    folders: tuple[str, ...]
    """Those made for the file."""
    changes: tuple[Change, ...]


class Journal:
    """The journal of one home. Every method but `locked` wants the lock to be held."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._folder = home / "hosts"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other runs of this command out. Raises `HostProblem` after half a minute."""
        lock = FileLock(self._folder / "lock", timeout=LOCK_SECONDS)
        try:
            for folder in (self._home, self._folder, self._folder / "backups"):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            raise HostProblem("another e2a install is running") from None
        except OSError as problem:
            raise HostProblem(f"the copy for --undo cannot be kept: {problem}") from None
        try:
            yield
        finally:
            lock.release()

    def read(self) -> list[Done]:
        """Returns what was done and not undone, the oldest first. Raises `HostProblem`."""
        try:
            lines = (self._folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()
            return [_done(json.loads(line)) for line in lines]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError) as problem:
            raise HostProblem(f"{self._folder / 'journal.jsonl'} cannot be read: {problem}") from None

    def write(self, done: Iterable[Done]) -> None:
        """Puts the entries in place of those there. Raises `HostProblem`."""
        lines = [json.dumps(_plain(each), ensure_ascii=False) + "\n" for each in done]
        self._put(self._folder / "journal.jsonl", "".join(lines).encode())

    def keep(self, host: str, content: bytes) -> Path:
        """Copies a file as it is before a change, readable by its owner alone, and returns where."""
        copy = self.copy(host, digest(content) or "")
        self._put(copy, content)
        return copy

    def copy(self, host: str, sha: str) -> Path:
        """Where the copy with this digest is."""
        return self._folder / "backups" / f"{host}-{sha[:16]}.bak"

    def _put(self, path: Path, content: bytes) -> None:
        try:
            replace_private(path, content)
        except OSError as problem:
            raise HostProblem(f"the copy cannot be written: {problem}") from None


def journal_home(environ: Mapping[str, str]) -> Path:
    """Returns the home that the journal is in. The settings are not read: a broken one must not be in the way."""
    named = environ.get("E2A_HOME")
    return (path_setting(named) if named else default_home()).absolute()


def _plain(done: Done) -> dict[str, Any]:
    return asdict(done)


def _done(line: dict[str, Any]) -> Done:
    changes = tuple(
        Change(
            _place(change["place"]),
            change["after"],
            change["had"],
            change["before"],
            None if change["made"] is None else _place(change["made"]),
        )
        for change in line.pop("changes")
    )
    return Done(**{**line, "folders": tuple(line["folders"]), "changes": changes})


def _place(steps: list[Any]) -> Place:
    return tuple(step if isinstance(step, str) else Item(**step) for step in steps)
