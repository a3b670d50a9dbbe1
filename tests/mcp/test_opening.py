"""Attaching by path: whatever somebody does to the path, no file outside the allowed folder is read."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from e2a_mcp.opening import read_below

SECRET = b"secret"
LIMIT = 1000
RACES = 3000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An allowed folder beside a folder that is not allowed."""
    allowed = (tmp_path / "allowed").resolve()
    (allowed / "inner").mkdir(parents=True)
    (allowed / "inner" / "note.txt").write_bytes(b"note")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "note.txt").write_bytes(SECRET)
    return allowed


def test_a_file_is_read_by_its_name_and_by_its_whole_path(root: Path) -> None:
    for path in ("inner/note.txt", "./inner/note.txt", str(root / "inner" / "note.txt")):
        assert read_below([root], path, LIMIT) == ("note.txt", b"note")
    assert read_below([root / "inner", root], "note.txt", 2) == ("note.txt", b"no")


def test_a_root_may_be_spelled_with_a_link_of_its_own(root: Path) -> None:
    (root.parent / "spelled").symlink_to(root)
    assert read_below([root], str(root.parent / "spelled" / "inner" / "note.txt"), LIMIT)[1] == b"note"


def test_a_folder_that_cannot_be_listed_can_be_passed(root: Path) -> None:
    (root / "inner").chmod(0o100)
    try:
        assert read_below([root], "inner/note.txt", LIMIT)[1] == b"note"
    finally:
        (root / "inner").chmod(0o700)


def link_to_file(root: Path) -> str:
    (root / "a.txt").symlink_to(root.parent / "other" / "note.txt")
    return "a.txt"


def link_to_folder(root: Path) -> str:
    (root / "a").symlink_to(root.parent / "other")
    return "a/note.txt"


def link_that_stays_inside(root: Path) -> str:
    (root / "a").symlink_to(root / "inner")
    return "a/note.txt"


def hard_link(root: Path) -> str:
    os.link(root.parent / "other" / "note.txt", root / "a.txt")
    return "a.txt"


def named_pipe(root: Path) -> str:
    os.mkfifo(root / "a.txt")
    return "a.txt"


def root_exchanged_for_a_link(root: Path) -> str:
    root.rename(root.parent / "away")
    root.symlink_to(root.parent / "other")
    return "note.txt"


def folder_above_the_root_exchanged(root: Path) -> str:
    root.parent.rename(root.parent.parent / "away")
    root.parent.symlink_to(root.parent.parent / "away")
    return "inner/note.txt"


@pytest.mark.parametrize(
    "arrange",
    [
        link_to_file,
        link_to_folder,
        link_that_stays_inside,
        hard_link,
        named_pipe,
        root_exchanged_for_a_link,
        folder_above_the_root_exchanged,
        lambda root: "../other/note.txt",
        lambda root: "inner/../../other/note.txt",
        lambda root: str(root.parent / "other" / "note.txt"),
        lambda root: f"{root}/../other/note.txt",
        lambda root: f"{root}-other/note.txt",
        lambda root: "inner",
        lambda root: "",
        lambda root: str(root),
        lambda root: "/dev/zero",
        lambda root: "/proc/self/environ",
        lambda root: "inner/note.txt/x",
    ],
)
def test_nothing_else_is_read(root: Path, arrange: Callable[[Path], str]) -> None:
    path = arrange(root)
    with pytest.raises((ValueError, OSError)):
        read_below([root], path, LIMIT)


@pytest.mark.parametrize("exchanged", ["inner", "inner/note.txt"])
def test_a_path_that_changes_while_it_is_opened_never_leads_out(root: Path, exchanged: str) -> None:
    link, kept = root / "link", root / exchanged
    link.symlink_to(root.parent / "other" / ("note.txt" if exchanged.endswith(".txt") else ""))
    stop = threading.Event()

    def exchange() -> None:
        aside = root / "aside"
        while not stop.is_set():
            os.rename(kept, aside)
            os.rename(link, kept)
            os.rename(kept, link)
            os.rename(aside, kept)

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        for _ in range(RACES):
            try:
                assert read_below([root], "inner/note.txt", LIMIT)[1] != SECRET
            except (ValueError, OSError):
                continue
    finally:
        stop.set()
        thread.join()
