"""Reads and replaces the files of hosts: whole or not at all, through symbolic links, with their modes."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from e2a_mcp.program.hosts.problems import HostProblem

__all__ = ["ChangedMeanwhile", "Snapshot", "digest", "read", "remove", "replace"]

MAX_BYTES = 5_000_000
"""Of a configuration. The largest known ones, Claude Code's with its history, are below 1 MB."""


class ChangedMeanwhile(Exception):
    """Another program wrote the file between the reading and the replacing."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A file as it was read; `content` is None if there was none."""

    path: Path
    """Where the bytes are, with symbolic links resolved."""
    content: bytes | None
    mode: int | None


def digest(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()


def read(path: Path) -> Snapshot:
    """Returns the file as it is. Raises `HostProblem` for what should not be edited."""
    try:
        target = path.resolve()
        descriptor = os.open(target, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return Snapshot(target, None, None)
    except (OSError, RuntimeError) as problem:
        # A loop of symbolic links is a RuntimeError before Python 3.13.
        raise HostProblem(f"cannot be read: {problem}") from None
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise HostProblem("is no file")
        if hasattr(os, "getuid") and about.st_uid != os.getuid():
            raise HostProblem("belongs to another user")
        content = b""
        while len(content) <= MAX_BYTES and (part := os.read(descriptor, MAX_BYTES)):
            content += part
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise HostProblem(f"is larger than {MAX_BYTES // 1_000_000} MB")
    return Snapshot(target, content, stat.S_IMODE(about.st_mode))


def replace(was: Snapshot, content: bytes, *, mode_if_new: int) -> list[Path]:
    """Puts `content` in place of what was read, and returns the folders that it made for it.

    A reader sees the old file or the new one. Raises `ChangedMeanwhile` if the file is no longer what was read, and
    `HostProblem` if it cannot be written.
    """
    try:
        made = _make_folders(was.path.parent)
        descriptor, name = tempfile.mkstemp(dir=was.path.parent, prefix=f".{was.path.name}.", suffix=".e2a")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(mode_if_new if was.mode is None else was.mode)
            _require_unchanged(was)
            temporary.replace(was.path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            for folder in reversed(made):
                _remove_empty(folder)
            raise
        _sync_folder(was.path.parent)
    except OSError as problem:
        raise HostProblem(f"cannot be written: {problem}") from None
    return made


def remove(was: Snapshot, folders: list[Path]) -> None:
    """Removes the file that was read, and those of `folders` that are empty then."""
    _require_unchanged(was)
    try:
        was.path.unlink(missing_ok=True)
    except OSError as problem:
        raise HostProblem(f"cannot be removed: {problem}") from None
    for folder in sorted(folders, key=lambda each: len(each.parts), reverse=True):
        _remove_empty(folder)


def _require_unchanged(was: Snapshot) -> None:
    now = read(was.path)
    if now.content != was.content:
        raise ChangedMeanwhile(str(was.path))


def _make_folders(folder: Path) -> list[Path]:
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
    return list(reversed(missing))


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
