"""What `e2a login` and `e2a config` keep: what goes before it, who may read it, and where a key goes."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.program.commanding import COMMAND, at_home, e2a
from tests.support.serving import ASSISTANT, OWNER, Served, serving
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, f"sqlite:///{folder}/e2a.db") as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_a_typed_key_is_kept_for_its_deployment_alone(served: Served, home: Path) -> None:
    environment = at_home(home)
    done = e2a(environment, "login", served.url, "--with-key", stdin=f"{served.key}\n")
    assert done.returncode == 0, done.stderr
    assert served.key not in done.stdout + done.stderr
    assert (home / "config.json").stat().st_mode & 0o777 == 0o600
    assert json.loads(e2a(environment, "whoami").stdout)["user"]["email"] == OWNER
    for elsewhere in (["--remote", "http://127.0.0.1:9"], []):
        moved = {} if elsewhere else {"E2A_API_URL": "http://127.0.0.1:9"}
        refused = e2a({**environment, **moved}, "whoami", *elsewhere)
        assert refused.returncode == 2
        assert "another deployment" in refused.stderr
    # The home of this machine is a matter of its own.
    assert json.loads(e2a(environment, "whoami", "--local").stdout)["user"]["email"] == "owner@localhost"
    assert e2a(environment, "logout").returncode == 0
    assert json.loads(e2a(environment, "whoami").stdout)["user"]["email"] == "owner@localhost"
    assert e2a(environment, "logout").returncode == 4


def test_signing_out_can_end_the_key(served: Served, home: Path) -> None:
    environment = at_home(home)
    key = json.loads(e2a(served.environment, "keys", "create", "--account", "--name", "x").stdout)["key"]
    assert e2a(environment, "login", served.url, "--with-key", stdin=key).returncode == 0
    done = e2a(environment, "logout", "--revoke")
    assert done.returncode == 0, done.stderr
    again = e2a(environment, "login", served.url, "--with-key", stdin=key)
    assert again.returncode == 4


@pytest.mark.parametrize(
    ("stdin", "url", "status"),
    [("nonsense\n", "", 4), ("", "", 4), ("e2a_acct_" + "0" * 64, "", 4), ("x", "http://127.0.0.1:9", 1)],
)
def test_what_is_no_key_is_not_kept(served: Served, home: Path, stdin: str, url: str, status: int) -> None:
    done = e2a(at_home(home), "login", url or served.url, "--with-key", stdin=stdin)
    assert done.returncode == status, done.stderr
    assert not (home / "config.json").exists()
    assert len(done.stderr.splitlines()) == 1


def test_the_browser_hands_over_a_key_only_with_the_state(served: Served, home: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "login", served.url],
        env=at_home(home),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        page = re.search(r"http\S+", process.stderr.readline())
        assert page is not None
        asked = parse_qs(urlsplit(page[0]).query)
        [callback], [state] = asked["cli_callback"], asked["cli_state"]
        assert urlsplit(callback).hostname == "127.0.0.1"
        with httpx.Client(trust_env=False, timeout=PATIENCE_SECONDS) as http:
            assert http.get(callback).status_code == 405
            assert http.put(callback).status_code == 405
            wrong = {"cli_state": "0" * 32, "api_key": "e2a_acct_" + "0" * 64}
            assert http.post(callback, data=wrong).status_code == 400
            assert http.post(callback, content=b"x" * 20_000).status_code == 400
            assert http.post(callback, data={"cli_state": state, "api_key": served.key}).status_code == 200
        out, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        assert OWNER in out
        assert json.loads((home / "config.json").read_text())["api_key"] == served.key
    finally:
        process.kill()
        process.wait()


def test_an_option_goes_before_the_environment_and_that_before_the_file(served: Served, home: Path) -> None:
    environment = at_home(home)
    e2a(environment, "login", served.url, "--with-key", stdin=served.key)
    other = json.loads(e2a(environment, "agents", "create", "other").stdout)["email"]
    third = json.loads(e2a(environment, "agents", "create", "third").stdout)["email"]
    assert e2a(environment, "config", "set", "agent_email", other).returncode == 0

    def sender(*options: str, **settings: str) -> str:
        sent = e2a({**environment, **settings}, "agents", "test", ASSISTANT)
        assert sent.returncode == 0
        mail = ("send", "--to", ASSISTANT, "--subject", "who", "--body", str(options) + str(settings))
        id = json.loads(e2a({**environment, **settings}, *mail, *options).stdout)["message_id"]
        for inbox in (other, third, ASSISTANT):
            if e2a(environment, "messages", "get", id, "--agent", inbox).returncode == 0:
                return inbox
        raise AssertionError("sent by nobody")

    assert sender() == other
    assert sender(E2A_AGENT_EMAIL=third) == third
    assert sender("--agent", ASSISTANT, E2A_AGENT_EMAIL=third) == ASSISTANT
    wrong = e2a({**environment, "E2A_API_KEY": "e2a_acct_" + "0" * 64}, "whoami")
    assert wrong.returncode == 4


def test_unknown_members_stay_and_no_key_is_shown(home: Path) -> None:
    environment = at_home(home)
    home.mkdir(mode=0o700)
    key = "e2a_acct_" + "7" * 64
    (home / "config.json").write_text(json.dumps({"theme": "dark", "api_key": key}))
    (home / "config.json").chmod(0o644)
    assert e2a(environment, "config", "set", "agent_email", "a@b.example").returncode == 0
    kept = json.loads((home / "config.json").read_text())
    assert kept == {"theme": "dark", "api_key": key, "agent_email": "a@b.example"}
    assert (home / "config.json").stat().st_mode & 0o777 == 0o600
    for arguments in (["config", "list"], ["config", "get", "api_key"], ["config", "set", "api_key", "-"]):
        done = e2a(environment, *arguments, stdin=f"{key}\n")
        assert done.returncode == 0
        assert key not in done.stdout + done.stderr
    # A key does not follow its deployment's name to another one.
    assert e2a(environment, "config", "set", "api_url", "https://other.example").returncode == 0
    assert "api_key" not in json.loads((home / "config.json").read_text())
    assert e2a(environment, "config", "get", "api_key").returncode == 5
    for arguments in (
        ["api_key", "nonsense"],
        ["api_url", "nowhere"],
        ["agent_email", "nobody"],
        ["theme", "x"],
    ):
        assert e2a(environment, "config", "set", *arguments).returncode == 2


@pytest.mark.parametrize("text", ["[]", "{", "\x00", "1", "[" * 100_000])
def test_a_file_that_is_no_object_is_named(home: Path, text: str) -> None:
    home.mkdir(mode=0o700)
    (home / "config.json").write_text(text)
    done = e2a(at_home(home), "whoami")
    assert done.returncode == 2
    assert "config.json must be a readable JSON object" in done.stderr
