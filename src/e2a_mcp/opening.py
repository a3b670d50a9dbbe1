"""Opens files below allowed folders so that nobody can exchange a part of the path meanwhile."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["read_below"]

_SEARCH = getattr(os, "O_PATH", os.O_RDONLY)
"""On Linux, passing through a folder needs no right to list it."""
_FOLDER = _SEARCH | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
# Without O_NONBLOCK, opening a named pipe waits for a writer.
_FILE = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_BY_COMPONENT = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")


def read_below(roots: Sequence[Path], path: str, limit: int) -> tuple[str, bytes]:
    """Returns the name and the first `limit` bytes of a regular file below one of `roots`, which are resolved.

    Raises ValueError or OSError when there is no such file, or when a symbolic link, `..` or a second name of the file
    (a hard link) is involved: either may lead to a file outside.
    """
    asked = Path(path).expanduser()
    for root in roots:
        parts = _parts_below(root, asked)
        if not parts or ".." in parts:
            continue
        try:
            with _opened(root, parts) as file:
                return parts[-1], _read(file, limit)
        except FileNotFoundError:
            continue
    raise ValueError("no such file below the roots")


def _parts_below(root: Path, asked: Path) -> tuple[str, ...]:
    """The components to open from `root` on; none if `asked` is not below it.

    A root may be spelled with links of its own (`/tmp` on macOS). Resolving them here only picks the components.
    """
    if not asked.is_absolute():
        return asked.parts
    for ancestor in asked.parents:
        if ancestor == root or ancestor.resolve() == root:
            return asked.relative_to(ancestor).parts
    return ()


@contextmanager
def _opened(root: Path, parts: Sequence[str]) -> Iterator[int]:
    if not _BY_COMPONENT:
        with _opened_by_path(root, parts) as file:
            yield file
        return
    folder = os.open(root.anchor, _FOLDER)
    try:
        for part in (*root.parts[1:], *parts[:-1]):
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        file = os.open(parts[-1], _FILE, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        yield file
    finally:
        os.close(file)


@contextmanager
def _opened_by_path(root: Path, parts: Sequence[str]) -> Iterator[int]:
    """For platforms without openat: opens by path, then checks that the file opened is the one of that path."""
    path = root.joinpath(*parts)
    file = os.open(path, _FILE)
    try:
        if path.resolve() != path or not os.path.samestat(os.fstat(file), os.lstat(path)):
            raise ValueError("the path leads elsewhere")
        yield file
    finally:
        os.close(file)


def _read(file: int, limit: int) -> bytes:
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        raise ValueError("not a regular file with one name")
    with os.fdopen(os.dup(file), "rb") as stream:
        return stream.read(limit)
