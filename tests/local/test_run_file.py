"""The published addresses of a served home."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from e2a_core.local.files import create_private, replace_private
from e2a_core.local.run_file import read_run_file, remove_run_file, write_run_file


def test_what_is_published_is_read_until_it_is_removed(tmp_path: Path) -> None:
    assert read_run_file(tmp_path) is None
    write_run_file(tmp_path, {"pid": 1, "smtp": "127.0.0.1:2525"})
    write_run_file(tmp_path, {"pid": 2, "smtp": "127.0.0.1:2526"})
    assert read_run_file(tmp_path) == {"pid": 2, "smtp": "127.0.0.1:2526"}
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    assert stat.S_IMODE((tmp_path / "run.json").stat().st_mode) == 0o600
    remove_run_file(tmp_path)
    remove_run_file(tmp_path)
    assert read_run_file(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_a_damaged_file_is_no_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    assert read_run_file(tmp_path) is None


def test_a_private_file_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    assert create_private(path, "first")
    assert not create_private(path, "second")
    assert path.read_text() == "first"
    replace_private(path, "third")
    assert path.read_text() == "third"
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]
