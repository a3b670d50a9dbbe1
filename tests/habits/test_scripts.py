"""Each script says what it does and is shell; a release is refused where something does not agree."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.documents import ROOT

SCRIPTS = sorted(path for path in (ROOT / "scripts").iterdir() if path.name != "prepare.sh")
VERSION = "0.1.0"


def test_there_is_one_for_each_verb() -> None:
    names = [path.name for path in SCRIPTS]
    assert names == ["bench", "build", "bundle", "check", "docs", "format", "lock", "release", "test"]
    described = (ROOT / "docs/contributing.md").read_text(encoding="utf-8")
    for name in names:
        assert f"| `scripts/{name}` |" in described


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_it_says_what_it_does_and_does_nothing(script: Path, option: str, tmp_path: Path) -> None:
    told = subprocess.run(
        [script, option], cwd=tmp_path, capture_output=True, text=True, timeout=10, check=True
    )
    assert told.stdout.startswith(f"Usage: scripts/{script.name}")
    assert len(told.stdout.splitlines()) >= 3
    assert "set -eu" not in told.stdout
    assert not told.stderr


@pytest.mark.parametrize("script", [*SCRIPTS, ROOT / "scripts/prepare.sh"], ids=lambda path: path.name)
def test_it_is_shell(script: Path) -> None:
    subprocess.run(["sh", "-n", script], check=True, timeout=10)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with what a release looks at, ready to be released as VERSION."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "pyproject.toml").write_text(f'version = "{VERSION}"\n', encoding="utf-8")
    (tmp_path / "server.json").write_text(f'{{"version": "{VERSION}"}}\n', encoding="utf-8")
    (tmp_path / "CHANGELOG.md").write_text(f"## [{VERSION}] - 2026-11-28\n", encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def git(checkout: Path, *words: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *words], cwd=checkout, check=True, timeout=20)


def commit(checkout: Path) -> None:
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", "x")


def released(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(checkout / "scripts/release"), "--check", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def test_a_version_that_agrees_can_be_released(checkout: Path) -> None:
    assert released(checkout, VERSION).returncode == 0


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("pyproject.toml", 'version = "0.2.0"\n', "pyproject.toml has another version"),
        ("server.json", '{"version": "0.2.0"}\n', "server.json has another version"),
        ("CHANGELOG.md", "## [Unreleased]\n", "CHANGELOG.md has no line"),
        ("CHANGELOG.md", f"## [{VERSION}] - soon\n", "CHANGELOG.md has no line"),
    ],
)
def test_a_version_that_does_not_agree_is_refused(checkout: Path, file: str, content: str, said: str) -> None:
    (checkout / file).write_text(content, encoding="utf-8")
    commit(checkout)
    refused = released(checkout, VERSION)
    assert (refused.returncode, said in refused.stderr) == (1, True)


def test_what_is_not_committed_is_not_released(checkout: Path) -> None:
    (checkout / "new").touch()
    refused = released(checkout, VERSION)
    assert (refused.returncode, refused.stderr) == (1, "there are uncommitted changes\n")


def test_a_release_has_one_version(checkout: Path) -> None:
    for words in ((), (VERSION, VERSION)):
        assert released(checkout, *words).returncode == 1


def test_what_a_release_looks_at_is_there() -> None:
    version = re.search(
        r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert version is not None
    assert f'"version": "{version[1]}"' in (ROOT / "server.json").read_text(encoding="utf-8")
