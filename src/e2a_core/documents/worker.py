"""The process that reads one untrusted file: `python -I -m e2a_core.documents.worker KIND < FILE`.

It writes a line when it is ready, then a line of JSON, then the text or the picture. The readers are loaded first;
then the process gives up memory beyond a limit, further files, and with them sockets, before it looks at the file.
"""

from __future__ import annotations

import codecs
import contextlib
import importlib
import json
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from types import ModuleType
from typing import Any

from e2a_core.documents.document import DocumentText, Kind, Outcome, Picture

__all__ = ["CPU_SECONDS", "MEMORY", "READY", "main"]

READY = b"ready\n"

MEMORY = 300 * 1024 * 1024
CPU_SECONDS = 5

_DESCRIPTORS = 3
"""Standard input, output and error: no file, pipe or socket can be opened beside them."""

_CALENDAR_DESCRIPTORS = 4
"""One more, since a calendar names time zones, whose rules are files."""

_FORBIDDEN = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system", "ctypes.")


def main() -> None:
    kind = Kind(sys.argv[1])
    read = _reader(kind)
    _give_up(_CALENDAR_DESCRIPTORS if kind is Kind.CALENDAR else _DESCRIPTORS)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    try:
        found = read(sys.stdin.buffer.read())
    except (MemoryError, RecursionError):
        found = DocumentText(Outcome.TOO_DEMANDING)
    except Exception:  # noqa: BLE001  # Whatever a reader trips over, the file is not what it should be.
        found = DocumentText(Outcome.DAMAGED)
    _answer(found)


def _reader(kind: Kind) -> Callable[[bytes], DocumentText | Picture]:
    """The reader of a kind, loaded with all that it would load later, when no file can be opened any more."""
    if kind is Kind.PDF:
        import encodings

        import pypdf

        from e2a_core.documents.extract import pdf_text

        _load(pypdf)
        _load(encodings)
        return pdf_text
    if kind is Kind.DOCX:
        from e2a_core.documents.extract import docx_text

        # Names in an archive are in the charset of the first PCs (APPNOTE.TXT, appendix D).
        codecs.lookup("cp437")
        return docx_text
    if kind is Kind.CALENDAR:
        from e2a_core.documents.calendar import calendar_text

        return calendar_text
    from PIL import Image

    from e2a_core.documents.picture import scaled

    Image.init()
    return scaled


def _load(package: ModuleType) -> None:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        # Some modules are for another library or another system than what is installed.
        with contextlib.suppress(ImportError):
            importlib.import_module(module.name)


def _give_up(descriptors: int) -> None:
    sys.addaudithook(_refuse)
    try:
        import resource
    except ImportError:  # Windows has no limits; there the audit hook and the parent's clock remain.
        return
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _refuse(event: str, _: tuple[Any, ...]) -> None:
    if event.startswith(_FORBIDDEN):
        raise PermissionError(f"{event} is not for a reader of documents")


def _answer(found: DocumentText | Picture) -> None:
    members = asdict(found)
    body = (
        members.pop("text").encode("utf-8", "replace")
        if isinstance(found, DocumentText)
        else members.pop("data")
    )
    sys.stdout.buffer.write(json.dumps(members).encode("ascii") + b"\n" + body)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
