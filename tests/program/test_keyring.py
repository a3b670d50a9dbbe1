"""`e2a login --keyring`: the key is in the keyring of the system, and nowhere else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.program.commanding import at_home, e2a
from tests.support.serving import OWNER, Served, serving

pytestmark = pytest.mark.slow

FILES = "keyrings.alt.file.PlaintextKeyring"
"""Keeps its entries in a file below XDG_DATA_HOME, and needs no desktop."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, f"sqlite:///{folder}/e2a.db") as running:
        yield running


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return at_home(tmp_path / "home", PYTHON_KEYRING_BACKEND=FILES, XDG_DATA_HOME=str(tmp_path / "data"))


def kept(tmp_path: Path) -> dict[str, str]:
    loaded: dict[str, str] = json.loads((tmp_path / "home/config.json").read_text())
    return loaded


def entries(tmp_path: Path) -> set[str]:
    """The names of the entries, as the file writes them."""
    stored = ConfigParser(interpolation=None)
    stored.read((tmp_path / "data").rglob("*.cfg"), encoding="utf-8")
    return set(stored.options("e2a")) if stored.has_section("e2a") else set()


def test_the_key_is_in_the_keyring_until_signing_out(
    served: Served, environment: dict[str, str], tmp_path: Path
) -> None:
    done = e2a(environment, "login", served.url, "--with-key", "--keyring", stdin=served.key)
    assert done.returncode == 0, done.stderr
    assert "in the system's keyring" in done.stdout
    assert served.key not in done.stdout + done.stderr + (tmp_path / "home/config.json").read_text()
    assert set(kept(tmp_path)) == {"api_url", "key_in_keyring", "key_scope"}
    assert kept(tmp_path)["key_in_keyring"].startswith(f"{served.url} ")
    assert json.loads(e2a(environment, "whoami").stdout)["user"]["email"] == OWNER
    assert json.loads(e2a(environment, "config", "list").stdout) == kept(tmp_path)
    assert kept(tmp_path)["key_in_keyring"] in e2a(environment, "config", "get", "api_key").stdout
    # It is not asked where it is not needed, and no other deployment gets its key.
    unreachable = {**environment, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    assert e2a(unreachable, "whoami", "--local").returncode == 0
    assert (
        e2a({**unreachable, "E2A_API_KEY": served.key, "E2A_API_URL": served.url}, "whoami").returncode == 0
    )
    assert "no keyring" in e2a(unreachable, "whoami").stderr
    assert "another deployment" in e2a(environment, "whoami", "--remote", "http://127.0.0.1:9").stderr
    assert len(entries(tmp_path)) == 1
    assert e2a(environment, "logout").returncode == 0
    assert set(kept(tmp_path)) == {"api_url"}
    assert entries(tmp_path) == set()
    assert e2a(environment, "logout").returncode == 4


@pytest.mark.parametrize(
    "then",
    [
        ["login", "URL", "--with-key", "--keyring"],
        ["config", "set", "api_key", "-"],
        ["config", "set", "api_url", "https://other.example"],
        ["logout", "--revoke"],
    ],
    ids=" ".join,
)
def test_the_entry_goes_with_its_key(
    served: Served, environment: dict[str, str], tmp_path: Path, then: list[str]
) -> None:
    key = json.loads(e2a(served.environment, "keys", "create", "--account", "--name", "x").stdout)["key"]
    assert e2a(environment, "login", served.url, "--with-key", "--keyring", stdin=key).returncode == 0
    [before] = entries(tmp_path)
    done = e2a(environment, *[word.replace("URL", served.url) for word in then], stdin=key)
    assert done.returncode == 0, done.stderr
    assert before not in entries(tmp_path)
    assert len(entries(tmp_path)) == (then[-1] == "--keyring")


@pytest.mark.parametrize(
    ("backend", "told"),
    [
        ("keyring.backends.fail.Keyring", "no keyring that e2a could use"),
        ("keyring.backends.null.Keyring", "did not keep the key"),
        ("keyring.backends.nowhere.Keyring", "PYTHON_KEYRING_BACKEND names does not load"),
    ],
)
def test_a_keyring_that_keeps_nothing_is_said_to(
    served: Served, environment: dict[str, str], tmp_path: Path, backend: str, told: str
) -> None:
    environment = {**environment, "PYTHON_KEYRING_BACKEND": backend}
    done = e2a(environment, "login", served.url, "--with-key", "--keyring", stdin=served.key)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert told in done.stderr
    assert not (tmp_path / "home/config.json").exists()


def test_without_the_package_it_is_named(environment: dict[str, str]) -> None:
    run = (
        "import sys; sys.modules['keyring'] = None\n"
        "from e2a_mcp.program.e2a import main; sys.exit(main(['login', '--keyring', 'http://127.0.0.1:9']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", run], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "pip install 'e2a-mcp[keyring]'" in done.stderr


def test_an_entry_that_somebody_deleted_is_said_to_be_gone(
    served: Served, environment: dict[str, str], tmp_path: Path
) -> None:
    assert e2a(environment, "login", served.url, "--with-key", "--keyring", stdin=served.key).returncode == 0
    for path in (tmp_path / "data").rglob("*.cfg"):
        path.unlink()
    gone = e2a(environment, "whoami")
    assert gone.returncode == 2
    assert "run `e2a login`" in gone.stderr
    assert e2a(environment, "logout").returncode == 0
