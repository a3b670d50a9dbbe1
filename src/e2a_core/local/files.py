"""Small private files of the home, written so that a reader sees the old content or the new, never a part."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["create_private", "replace_private"]


def replace_private(path: Path, content: str | bytes) -> None:
    """Write `path`, readable by its owner alone (0600), in one step."""
    with _complete_file(path, content) as written:
        os.replace(written, path)


def create_private(path: Path, text: str) -> bool:
    """Write `path` (0600) unless it exists; of several processes that try at once exactly one is told True."""
    with _complete_file(path, text) as written:
        try:
            os.link(written, path)  # unlike a rename, it refuses to replace
        except FileExistsError:
            return False
        return True


@contextmanager
def _complete_file(path: Path, content: str | bytes) -> Iterator[Path]:
    """A synced file beside `path`; what is left of it at the end is removed."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made with mode 0600
    written = Path(name)
    try:
        with open(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        yield written
    finally:
        written.unlink(missing_ok=True)
