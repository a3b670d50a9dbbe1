"""Nobody but the owner reads the database, whoever named it and whatever an earlier run left."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from e2a_core.clock import SystemClock
from e2a_core.store.open import open_database

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")]


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def widen(folder: Path, mode: int) -> None:
    for path in folder.iterdir():
        path.chmod(mode)


async def test_a_database_given_by_url_is_private_with_the_files_beside_it(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        database = await open_database(f"sqlite:///{tmp_path}/mail.db", clock=SystemClock())
    finally:
        os.umask(mask)
    assert modes(tmp_path) == {"mail.db": 0o600, "mail.db-wal": 0o600, "mail.db-shm": 0o600}
    await database.close()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o666, 0o604, 0o755])
async def test_wider_modes_of_an_earlier_run_are_repaired_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int
) -> None:
    first = await open_database(f"sqlite:///{tmp_path}/mail.db", clock=SystemClock())
    widen(tmp_path, mode)
    second = await open_database(f"sqlite:///{tmp_path}/mail.db", clock=SystemClock())
    assert set(modes(tmp_path).values()) == {0o600}
    assert caplog.text.count(f"had mode {mode:04o} and now has 0600") == 3
    await second.close()
    await first.close()


AS_SOMEBODY_ELSE = """
import os, sys
from pathlib import Path
from e2a_core.errors import SettingsError
from e2a_core.store.private import make_private
os.setuid(65534)
try:
    make_private(Path(sys.argv[1]), 0o600)
except SettingsError as problem:
    print(problem)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_file_of_somebody_else_is_refused() -> None:
    with tempfile.NamedTemporaryFile() as file:
        os.chmod(file.name, 0o644)
        ran = subprocess.run(
            [sys.executable, "-c", AS_SOMEBODY_ELSE, file.name], capture_output=True, text=True, timeout=60
        )
    assert f"{file.name} has mode 0644, must have 0600" in ran.stdout
