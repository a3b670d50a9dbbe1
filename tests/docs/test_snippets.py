"""What the documents show is run, or at least read, as a reader would."""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import signal
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from e2a_core.settings import load_settings, setting_names
from tests.docs.documents import ROOT, Snippet, snippets
from tests.docs.served import INBOX, ServedHome, clean_environment, served_home

LANGUAGES = {"bash", "python", "json", "toml", "text"}
OURS = {"e2a", "e2a-mcp"}
# What the documents call that is not ours: the commands of hosts and of package tools, which are only read.
OTHERS = {
    "agentstack",
    "chmod",
    "claude",
    "codex",
    "curl",
    "docker",
    "echo",
    "export",
    "mkdir",
    "pip",
    "python3",
    "schemathesis",
    "swaks",
}
SERVERS = {"e2a listen", "e2a serve", "e2a-mcp"}
READY_SECONDS = 30


def by_place(snippet: Snippet) -> str:
    return snippet.place


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """Each command of the shell snippets, `&&` and settings in front of a command taken apart."""
    for snippet in snippets("bash"):
        if snippet in sequences():
            continue
        for line in snippet.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words:
                end = words.index("&&") if "&&" in words else len(words)
                yield snippet.place, words[:end]
                words = words[end + 1 :]


def sequences() -> list[Snippet]:
    """The shell snippets whose commands need a home, or what the one before made."""
    return [snippet for snippet in snippets("bash") if "e2a backup" in snippet.text]


def own_commands() -> list[list[str]]:
    """Our commands among them, each once, without the folder they are in."""
    found = [[Path(words[0]).name, *words[1:]] for _, words in command_lines() if Path(words[0]).name in OURS]
    return [list(words) for words in dict.fromkeys(map(tuple, found))]


def test_every_snippet_has_a_language_that_is_checked() -> None:
    for snippet in snippets():
        assert snippet.language in LANGUAGES, snippet.place


@pytest.mark.parametrize("snippet", snippets("json"), ids=by_place)
def test_json_is_json_and_names_a_command_of_ours(snippet: Snippet) -> None:
    document = json.loads(snippet.text)
    for server in document.get("mcpServers", {}).values():
        if "url" in server:
            assert urlsplit(server["url"]).path == "/mcp"
            assert server["headers"]["Authorization"].startswith("Bearer e2a_")
        else:
            assert OURS & {server["command"], *server["args"]}
        assert set(server.get("env", {})) <= set(setting_names())


@pytest.mark.parametrize("snippet", snippets("toml"), ids=by_place)
def test_toml_is_a_config_that_loads(snippet: Snippet, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(snippet.text, encoding="utf-8")
    secret = {"E2A_HMAC_SECRET": secrets.token_hex(32)}
    settings = load_settings({"E2A_HOME": str(tmp_path), **secret})
    assert set(tomllib.loads(snippet.text)) <= {name.removeprefix("E2A_").lower() for name in setting_names()}
    assert settings.home == tmp_path


@pytest.mark.parametrize("snippet", snippets("bash"), ids=by_place)
def test_shell_is_shell(snippet: Snippet) -> None:
    subprocess.run(["bash", "-n"], input=snippet.text, text=True, check=True, timeout=10)


def test_only_known_commands_are_shown() -> None:
    for place, words in command_lines():
        name = Path(words[0]).name
        script = words[0].startswith("scripts/") and os.access(ROOT / words[0], os.X_OK)
        assert name in OURS | OTHERS or words[0].startswith(".venv/bin/") or script, place


@pytest.mark.parametrize(
    "words",
    [words for words in own_commands() if " ".join(words[:2]) not in SERVERS and words[0] != "e2a-mcp"],
    ids=" ".join,
)
def test_commands_that_end_succeed(words: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        words, env=clean_environment(tmp_path), capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("snippet", sequences(), ids=by_place)
def test_commands_that_belong_together_succeed(snippet: Snippet, tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-ec", f"e2a status\n{snippet.text}"],
        env=clean_environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words",
    [words for words in own_commands() if " ".join(words[:2]) in SERVERS or words[0] == "e2a-mcp"],
    ids=" ".join,
)
def test_servers_start_and_stop(words: list[str], tmp_path: Path) -> None:
    free = [re.sub(r":\d+$", ":0", word) for word in words]
    ports = {"E2A_SMTP_LISTEN": "127.0.0.1:0", "E2A_HTTP_LISTEN": "127.0.0.1:0"}
    process = subprocess.Popen(
        free,
        env=clean_environment(tmp_path, **ports),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        ready = next(
            (line for line in process.stderr if re.search(r"smtp 127\.|http://127\.|: listening$", line)),
            None,
        )
        assert ready is not None
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=READY_SECONDS)
        # Uvicorn ends by the signal it was stopped with, once it has finished.
        assert process.returncode == 0, said
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedHome]:
    with served_home(tmp_path_factory.mktemp("home"), {}) as running:
        yield running


def test_the_tour_of_the_readme(home: ServedHome) -> None:
    mail, read = (item for item in snippets("python") if item.place.startswith("README.md"))
    sent = home.run(sys.executable, "-c", mail.text.replace("2525", str(home.smtp[1])))
    assert sent.returncode == 0, sent.stderr
    # Everything else as printed: the command is looked for in `.venv`, the home is the user's.
    agent = home.run(sys.executable, "-c", read.text)
    assert agent.returncode == 0, agent.stderr
    assert f"1 inbound in {INBOX}" in agent.stdout
    assert " inbound unread unverified " in agent.stdout
    assert "\naccepted msg_" in agent.stdout
    assert "sandbox" in agent.stdout


@pytest.mark.parametrize(
    "snippet", [item for item in snippets("python") if item.place.startswith("docs/")], ids=by_place
)
def test_python_of_the_documents_runs(snippet: Snippet, home: ServedHome) -> None:
    done = home.run(sys.executable, "-W", "error", "-c", snippet.text)
    assert done.returncode == 0, done.stderr


def test_what_is_published_for_dkim_is_what_signs(home: ServedHome) -> None:
    """The key is made before the first mail, and its record is that of the mail."""
    [record] = map(json.loads, home.run("e2a", "domains", "records").stdout.splitlines())
    home.mail("Lunch", "Are you free?")
    answered = home.run(sys.executable, "-c", snippets("python")[1].text)
    assert answered.returncode == 0, answered.stderr
    assert home.run("e2a", "domains", "records").stdout == json.dumps(record) + "\n"
    assert re.fullmatch(r"e2a\d{6}\._domainkey\.agents\.localhost", record["name"])
    assert re.fullmatch(r"v=DKIM1; k=rsa; p=[\w+/=]+", record["value"])
    with sqlite3.connect(next(Path(home.environment["HOME"]).rglob("e2a.db"))) as database:
        keys = database.execute("SELECT public_key FROM dkim_keys").fetchall()
    database.close()
    assert keys == [(record["value"],)]


def test_the_first_start_says_what_the_readme_says(home: ServedHome) -> None:
    said = home.log.read_text(encoding="utf-8")
    for made in ("made the signing secret", "made the account", f"made the inbox {INBOX}", "sandbox"):
        assert made in said
    [run] = Path(home.environment["HOME"]).rglob("run.json")
    assert json.loads(run.read_text(encoding="utf-8")) == home.address
    assert os.stat(run).st_mode & 0o077 == 0
