"""`e2a demo` runs the whole story with real parts and says so by its exit code."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path


def test_the_story_holds_and_is_told_as_it_happens() -> None:
    command = [sys.executable, "-m", "e2a_mcp.program.e2a", "demo"]
    told: list[tuple[float, str]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        told = [(time.monotonic(), line) for line in demo.stdout]
        errors = demo.stderr.read()
        assert demo.wait(timeout=90) == 0, errors
    steps = [line.split(".")[0].split(" ")[0] for _, line in told]
    assert steps == ["Starting", "1", "2", "3", "4", "5", "6", "7", "Stopping", "All"]
    assert "dkimpy, which is not ours, verified it" in told[7][1]
    # A pipe would hold back what is not flushed until the end.
    first, last = told[0][0], told[-1][0]
    assert told[1][0] - first > 0.1
    assert last - told[4][0] > 0.1


def test_a_step_that_fails_is_named_and_the_exit_code_says_so(tmp_path: Path) -> None:
    """A home in which the expected inbox is not the default one cannot tell the story."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.toml").write_text('shared_domain = "elsewhere.localhost"\n', encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "e2a_mcp.program.e2a", "demo", "--keep", str(home)],
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 1
    assert "e2a demo: expected that update_protection works" in done.stderr


def test_a_server_that_does_not_start_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("this is no TOML", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "e2a_mcp.program.e2a", "demo", "--keep", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 1
    assert "must be readable TOML" in done.stderr
    assert "e2a demo: the server did not start" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
