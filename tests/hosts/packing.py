"""Packs the bundle where the official tool is not: a bundle is a plain ZIP file of its folder."""

from __future__ import annotations

import sys
import zipfile
from fnmatch import fnmatch
from pathlib import Path

from tests.docs.documents import ROOT

__all__ = ["BUNDLE", "pack", "packed_files"]

BUNDLE = ROOT / "bundle"


def packed_files() -> list[Path]:
    """The files of the folder but those that `.mcpbignore` names."""
    ignored = [
        line.strip().rstrip("/") for line in (BUNDLE / ".mcpbignore").read_text(encoding="utf-8").split()
    ]
    return [
        path
        for path in sorted(BUNDLE.rglob("*"))
        if path.is_file()
        and path.name != ".mcpbignore"
        and not any(fnmatch(part, each) for part in path.relative_to(BUNDLE).parts for each in ignored)
    ]


def pack(target: Path) -> None:
    """Writes the same bytes whenever the files are the same."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in packed_files():
            entry = zipfile.ZipInfo(path.relative_to(BUNDLE).as_posix(), (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    pack(Path(sys.argv[1]))
