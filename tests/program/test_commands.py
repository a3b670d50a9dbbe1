"""Commands that act on a deployment: on the own home, on a served one, and on one elsewhere."""

from __future__ import annotations

import json
import re
import smtplib
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.program.commanding import at_home, e2a, on_terminal
from tests.support.serving import ASSISTANT, Served, serving
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

INBOX = "assistant@agents.localhost"
HOSTILE = "\x1b[2J\x9b31mInvoice\u202e\u2066 \x07\u200bpaid"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, f"sqlite:///{folder}/e2a.db") as running:
        yield running


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a home that nobody serves."""
    environment = at_home(tmp_path_factory.mktemp("own") / "home")
    assert e2a(environment, "agents", "list").returncode == 0
    return environment


def elsewhere(served: Served, folder: Path, **settings: str) -> dict[str, str]:
    """The environment of somebody with a key and no home."""
    return at_home(folder / "nothing", E2A_API_KEY=served.key, E2A_API_URL=served.url, **settings)


def test_a_home_is_run_without_a_server(own: dict[str, str]) -> None:
    made = json.loads(e2a(own, "agents", "create", "billing", "--name", "Billing").stdout)
    assert made["email"] == "billing@agents.localhost"
    listed = [json.loads(line)["email"] for line in e2a(own, "agents", "list").stdout.splitlines()]
    assert set(listed) == {INBOX, "billing@agents.localhost"}
    trashed = e2a(own, "agents", "delete", made["email"], "--yes")
    assert json.loads(trashed.stdout)["deleted"] is True
    assert json.loads(e2a(own, "agents", "restore", made["email"]).stdout)["email"] == made["email"]


def test_what_is_asked_of_a_deployment_elsewhere_happens_there(served: Served, tmp_path: Path) -> None:
    environment = elsewhere(served, tmp_path)
    made = json.loads(e2a(environment, "agents", "create", "remote").stdout)
    assert made["email"] == "remote@agents.example"
    # The owner of its files sees the same while it is served.
    there = [
        json.loads(line)["email"] for line in e2a(served.environment, "agents", "list").stdout.splitlines()
    ]
    assert made["email"] in there
    assert not (tmp_path / "nothing").exists()


def test_all_outgoing_mail_is_held_by_one_word_and_decided(own: dict[str, str]) -> None:
    inbox = json.loads(e2a(own, "agents", "create", "held").stdout)["email"]
    assert e2a(own, "protection", "hold-all-outgoing", inbox).returncode == 0
    send = ("send", "--agent", inbox, "--to", "ann@example.org", "--subject", "Offer", "--body", "-")
    held = e2a(own, *send, stdin="Half price.\n")
    assert held.returncode == 3
    id = json.loads(held.stdout)["message_id"]
    assert id in [json.loads(line)["id"] for line in e2a(own, "reviews", "list").stdout.splitlines()]
    shown = json.loads(e2a(own, "reviews", "show", id).stdout)
    assert shown["body"]["text"].strip() == "Half price."
    other = e2a(own, "reviews", "approve", id, "--content-hash", "another")
    assert (other.returncode, other.stdout) == (5, "")
    assert other.stderr.endswith(" [draft_changed]\n")
    approved = e2a(
        own, "reviews", "approve", id, "--content-hash", shown["content_hash"], "--subject", "Sale"
    )
    assert approved.returncode == 0, approved.stderr
    assert e2a(own, "reviews", "reject", id).returncode == 5
    assert e2a(own, "protection", "send-freely", inbox).returncode == 0
    assert e2a(own, *send, "--idempotency-key", "2", stdin="Full price.\n").returncode == 0


def test_all_inboxes_are_held_after_a_question(tmp_path: Path) -> None:
    home = at_home(tmp_path / "home")
    one = e2a(home, "protection", "hold-all-outgoing")
    assert json.loads(one.stdout)["email"] == INBOX
    assert e2a(home, "agents", "create", "billing").returncode == 0
    asked = e2a(home, "protection", "hold-all-outgoing")
    assert (asked.returncode, asked.stdout) == (2, "")
    assert asked.stderr == "e2a: name one of the 2 inboxes, or give --all [usage]\n"
    status, seen = on_terminal(home, "protection", "hold-all-outgoing", types="no\n")
    assert status == 2
    assert "All that these inboxes send will wait for a person: " in seen
    assert "nothing was changed" in seen
    policy = json.loads(e2a(home, "protection", "get", "billing@agents.localhost").stdout)["outbound"]["gate"]
    assert policy["policy"] == "open"
    status, seen = on_terminal(home, "protection", "hold-all-outgoing", types="yes\n")
    assert status == 0
    assert seen.count("Outgoing mail is held for a person.") == 2
    assert "is rejected after 7 days" in seen
    done = [
        json.loads(line) for line in e2a(home, "protection", "hold-all-outgoing", "--all").stdout.splitlines()
    ]
    assert [item["outbound"]["gate"]["action"] for item in done] == ["review", "review"]
    assert e2a(home, "protection", "hold-all-outgoing", INBOX, "--all").returncode == 2


def test_a_scan_that_is_not_made_is_told(own: dict[str, str]) -> None:
    done = e2a(own, "protection", "set", INBOX, "--outbound-scan", "high", "--hold-seconds", "90")
    assert json.loads(done.stdout)["outbound"]["scan"] == {"sensitivity": "off"}
    assert done.stderr == "e2a: this deployment does not scan outgoing mail, so its scan stays off\n"
    assert "after 90 seconds." in on_terminal(own, "protection", "get", INBOX)[1]


def test_what_a_terminal_shows_of_keys_and_limits(own: dict[str, str]) -> None:
    made = json.loads(e2a(own, "keys", "create", "--agent", INBOX, "--name", "desk").stdout)
    shown = on_terminal(own, "keys", "list")[1]
    assert f"{made['id']}  desk: {INBOX}" in shown
    assert f"{made['key_prefix']}...; made " in shown
    assert "never used" in shown
    assert ", no limit" in on_terminal(own, "whoami")[1]
    assert e2a(own, "help", "keys").stdout == e2a(own, "keys", "--help").stdout


def test_help_names_no_default_that_says_nothing(own: dict[str, str]) -> None:
    help = e2a(own, "messages", "list", "--help").stdout + e2a(own, "keys", "create", "--help").stdout
    assert "default: None" not in help
    assert "default: ]" not in help
    assert "default: 100" in help


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["agents", "get", "nobody@agents.localhost"], 5, "not_found"),
        (["agents", "create", INBOX], 5, "agent_taken"),
        (["agents", "get"], 2, "usage"),
        (["agents", "nope"], 2, "usage"),
        (["agents", "list", "--nope"], 2, "usage"),
        (["agents", "list", "--limit", "many"], 2, "usage"),
        (["agents", "list", "--limit=-1"], 2, "usage"),
        (["agents", "list", "extra"], 2, "usage"),
        (["contacts", "create", "a@example.org", "--metadata", "{"], 2, "usage"),
        (["contacts", "create", "a@example.org", "--metadata", "[1]"], 2, "usage"),
        (["send", "--to", "a@example.org", "--template", "x", "--template-data", "[1]"], 2, "usage"),
        (["send", "--to", "a@example.org", "--subject", "x", "--body", ""], 5, "invalid_request"),
        (["messages", "list", "--since", "nonsense"], 2, "usage"),
        (["agents", "delete", INBOX], 2, "usage"),
        (["keys", "create"], 2, "usage"),
        (["keys", "create", "--account", "--agent", INBOX], 2, "usage"),
        (["keys", "delete", "apk_none", "--yes"], 5, "not_found"),
        (["messages", "get", "msg_none"], 5, "not_found"),
        (["messages", "list", "--direction", "up"], 2, "usage"),
        (["reviews", "approve", "msg_none"], 5, "not_found"),
        (["reviews", "interactive"], 2, "usage"),
        (["send", "--to", "ann@example.org", "--subject", "x"], 2, "usage"),
        (["send", "--subject", "x", "--body", "y"], 2, "usage"),
        (["send", "--to", "no address", "--subject", "x", "--body", "y"], 5, "invalid_recipient"),
        (["send", "--to", "a@example.org", "--subject", "x", "--body-file", "/nowhere"], 2, "usage"),
        (["send", "--to", "a@example.org", "--subject", "x", "--body", "y", "--wait"], 6, ""),
        (["send", "--to", "a@example.org", "--subject", "x", "--body", "z"], 0, ""),
        (["status", "--remote", "http://127.0.0.1:9"], 4, "unauthorized"),
        (["status", "--local", "--remote", "http://127.0.0.1:9"], 2, "usage"),
        (["domains", "records", "none.example"], 5, "not_found"),
        (["protection", "set", INBOX], 2, "usage"),
        (["contacts", "import", "/nowhere"], 2, "usage"),
        (["webhooks", "create", "https://x.example", "--events", "nope"], 2, "usage"),
    ],
)
def test_the_exit_status_says_what_was_wrong(
    own: dict[str, str], arguments: list[str], status: int, code: str
) -> None:
    done = e2a(own, *arguments)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    if code:
        assert done.stdout == ""
        [line] = done.stderr.splitlines()
        assert line.startswith("e2a: ")
        assert line.endswith(f" [{code}]")


def test_a_key_that_is_refused_and_a_server_that_is_away_differ(served: Served, tmp_path: Path) -> None:
    wrong = e2a({**elsewhere(served, tmp_path), "E2A_API_KEY": "e2a_acct_" + "0" * 64}, "agents", "list")
    assert wrong.returncode == 4
    key = json.loads(e2a(served.environment, "keys", "create", "--agent", ASSISTANT).stdout)["key"]
    narrow = e2a({**elsewhere(served, tmp_path), "E2A_API_KEY": key}, "reviews", "list")
    assert (narrow.returncode, narrow.stderr.split()[-1]) == (4, "[forbidden]")
    away = e2a({**elsewhere(served, tmp_path), "E2A_API_URL": "http://127.0.0.1:9"}, "agents", "list")
    assert away.returncode == 1


def test_nothing_of_hostile_mail_reaches_the_terminal(served: Served) -> None:
    content = (
        f"From: {HOSTILE} <eve@example.org>\r\nTo: {ASSISTANT}\r\nSubject: {HOSTILE}\r\n\r\n{HOSTILE}\r\n"
    )
    with smtplib.SMTP(*served.smtp) as smtp:
        smtp.sendmail("eve@example.org", ASSISTANT, content.encode())
    [line] = [
        line for line in e2a(served.environment, "messages", "list").stdout.splitlines() if "Invoice" in line
    ]
    assert line.isascii()
    id = json.loads(line)["id"]
    for arguments in (
        ["messages", "list"],
        ["messages", "get", id],
        ["messages", "get", id, "--text"],
        ["messages", "get", id, "--raw"],
        ["messages", "list", "--json"],
        ["conversations", "list"],
    ):
        status, seen = on_terminal(served.environment, *arguments)
        assert status == 0, seen
        assert "Invoice" in seen
        kept = seen.replace("\r\n", "")
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", kept), arguments


def test_people_get_sentences_and_programs_json(own: dict[str, str]) -> None:
    status, seen = on_terminal(own, "status")
    assert status == 0
    assert "Nobody serves the home" in seen
    assert "Sandbox" in seen
    _, told = on_terminal(own, "protection", "get", INBOX)
    assert "Outgoing mail passes freely." in told
    _, table = on_terminal(own, "agents", "list")
    header, first, *_ = table.splitlines()
    assert header.split()[:2] == ["email", "name"]
    assert "@agents.localhost" in first.split()[0]
    assert json.loads(on_terminal(own, "agents", "get", INBOX, "--json")[1])["email"] == INBOX


def test_a_person_goes_through_what_waits(own: dict[str, str]) -> None:
    inbox = json.loads(e2a(own, "agents", "create", "waiting").stdout)["email"]
    e2a(own, "protection", "hold-all-outgoing", inbox)
    for number in range(3):
        e2a(
            own,
            "send",
            "--agent",
            inbox,
            "--to",
            "ann@example.org",
            "--subject",
            f"No {number}",
            "--body",
            "x",
        )
    status, seen = on_terminal(own, "reviews", "interactive", types="a\nr\ntoo late\ns\n")
    assert status == 0, seen
    assert "3 of 3" in seen
    assert "ann@example.org is not on the allowlist" in seen
    assert "; rejected by itself in " in seen
    left = [json.loads(line) for line in e2a(own, "reviews", "list").stdout.splitlines()]
    assert [review["subject"] for review in left if review["agent_email"] == inbox] == ["No 0"]


def test_deleting_for_good_asks_for_the_name(own: dict[str, str]) -> None:
    inbox = json.loads(e2a(own, "agents", "create", "gone").stdout)["email"]
    refused, _ = on_terminal(own, "agents", "delete", inbox, "--permanent", types="yes\n")
    assert refused == 2
    done, _ = on_terminal(own, "agents", "delete", inbox, "--permanent", types=f"{inbox}\n")
    assert done == 0
    assert e2a(own, "agents", "get", inbox).returncode == 5


def test_records_are_lines_of_a_zone_file(own: dict[str, str]) -> None:
    assert e2a(own, "domains", "register", "zone.example").returncode == 0
    status, seen = on_terminal(own, "domains", "records", "zone.example")
    assert status == 0
    key = next(line for line in seen.replace("\r\n", "\n").splitlines() if "_domainkey" in line)
    strings = re.findall('"([^"]*)"', key)
    assert all(len(part) <= 255 for part in strings)
    assert "".join(strings).startswith("v=DKIM1; k=rsa; p=")
    shared = json.loads(e2a(own, "domains", "records").stdout)
    assert re.fullmatch(r"e2a\d{6}\._domainkey\.agents\.localhost", shared["name"])
    assert e2a(own, "domains", "records").stdout == e2a(own, "domains", "records").stdout


def test_objects_are_given_as_json(served: Served) -> None:
    own = served.environment
    made = e2a(own, "contacts", "create", "meta@example.org", "--metadata", '{"team": "blue", "n": 1}')
    assert json.loads(made.stdout)["metadata"] == {"team": "blue", "n": 1}
    hook = ("webhooks", "create", "http://127.0.0.1:9/", "--events", "email.received")
    created = json.loads(e2a(own, *hook, "--filters", '{"labels": ["urgent"]}').stdout)
    assert created["filters"] == {"labels": ["urgent"]}
    off = json.loads(e2a(own, "webhooks", "update", created["id"], "--no-enabled").stdout)
    assert off["enabled"] is False
    empty = e2a(own, "send", "--to", "a@example.org", "--subject", "x", "--body", "")
    assert empty.stderr == "e2a: text must not be empty [invalid_request]\n"


def test_contacts_come_from_a_file_and_can_be_taken_back(own: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text('\ufeffEmail,Name,team\nann@example.org,"Ann, K",blue\nnobody,x,y\n', encoding="utf-8")
    done = json.loads(e2a(own, "contacts", "import", str(file)).stdout)
    assert (done["created"], done["failed"]) == (1, 1)
    ann = json.loads(e2a(own, "contacts", "get", "ann@example.org").stdout)
    assert (ann["display_name"], ann["metadata"]) == ("Ann, K", {"team": "blue"})
    assert e2a(own, "contacts", "undo-import", done["batch_id"], "--yes").returncode == 0
    assert e2a(own, "contacts", "get", "ann@example.org").returncode == 5
    assert "row 2, nobody: an address needs one @" in on_terminal(own, "contacts", "import", str(file))[1]
    for text, said in (
        ("who\nann\n", "address or email"),
        ('email\n"a\n', "no CSV"),
        ("", "address or email"),
    ):
        refused = e2a(own, "contacts", "import", "-", stdin=text)
        assert refused.returncode == 2
        assert said in refused.stderr


def test_files_are_saved_under_harmless_names_and_over_nothing(served: Served, tmp_path: Path) -> None:
    sent = tmp_path / "report.txt"
    sent.write_text("words", encoding="utf-8")
    done = e2a(
        served.environment,
        *("send", "--to", ASSISTANT, "--subject", "Files", "--body", "x", "--attach", str(sent), "--wait"),
    )
    assert done.returncode == 0, done.stderr
    found = e2a(served.environment, "messages", "list", "--subject-contains", "Files").stdout.splitlines()
    id = json.loads(found[0])["id"]
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("report.txt", "report-2.txt"):
        saved = e2a(served.environment, "messages", "attachments", "download", id, "--to", str(folder))
        assert json.loads(saved.stdout)["path"] == str(folder / name)
        assert (folder / name).read_text() == "words"
        assert (folder / name).stat().st_mode & 0o077 == 0


def test_labels_are_put_on_and_taken_off(served: Served) -> None:
    e2a(served.environment, "agents", "test", ASSISTANT)
    id = json.loads(e2a(served.environment, "messages", "list").stdout.splitlines()[0])["id"]
    assert json.loads(e2a(served.environment, "labels", "add", id, "a", "b").stdout)["labels"] == ["a", "b"]
    assert json.loads(e2a(served.environment, "labels", "remove", id, "a").stdout)["labels"] == ["b"]


def test_pausing_stops_and_resuming_lets_go_on(own: dict[str, str]) -> None:
    inbox = json.loads(e2a(own, "agents", "create", "paused").stdout)["email"]
    send = ("send", "--agent", inbox, "--to", "ann@example.org", "--subject", "x", "--body", "y")
    for whose in ([inbox], []):
        assert e2a(own, "pause", *whose).returncode == 0
        refused = e2a(own, *send)
        assert (refused.returncode, refused.stderr.split()[-1]) == (5, "[sending_paused]")
        assert e2a(own, "resume", *whose).returncode == 0
    assert e2a(own, *send).returncode == 0


def test_the_dashboard_is_opened_by_a_link_that_signs_in_once(served: Served, own: dict[str, str]) -> None:
    nobody = e2a(own, "open")
    assert (nobody.returncode, nobody.stderr.split()[-1]) == (5, "[not_found]")
    url = json.loads(e2a(served.environment, "open").stdout)["url"]
    assert url.startswith(f"{served.url}/sign-in?t=e2a_in_")
    with httpx.Client(trust_env=False, headers={"Origin": served.url}, timeout=PATIENCE_SECONDS) as http:
        token = parse_qs(urlsplit(url).query)["t"][0]
        first = http.post(f"{served.url}/sign-in", data={"t": token})
        again = http.post(f"{served.url}/sign-in", data={"t": token})
    assert (first.status_code, again.status_code) == (303, 410)
    asked = e2a(served.environment, "open", "--role", "reviewer")
    assert asked.returncode == 5
    assert e2a(served.environment, "open", "--role", "reviewer", "--email", "r@example.org").returncode == 0


def test_what_was_done_is_listed_and_verified(served: Served, tmp_path: Path) -> None:
    made = json.loads(e2a(served.environment, "agents", "create", "audited").stdout)["email"]
    [entry] = [
        entry
        for line in e2a(served.environment, "audit", "list").stdout.splitlines()
        if (entry := json.loads(line))["operation"] == "create_agent" and made in entry["subjects"].values()
    ]
    assert (entry["door"], entry["outcome"]) == ("command", "ok")
    _, seen = on_terminal(served.environment, "audit", "list", "--limit", "2")
    assert "by command: create_agent" in seen
    whole = e2a(served.environment, "audit", "verify")
    assert whole.returncode == 0, whole.stderr
    here = json.loads(whole.stdout)
    assert here["rows"] > 0
    there = e2a(elsewhere(served, tmp_path), "audit", "verify")
    assert there.returncode == 0, there.stderr
    told = json.loads(there.stdout)
    # Making the key of another command may be logged in between.
    assert (told["rows"] >= here["rows"], told["anchor"], len(told["limitations"])) == (True, 0, 1)
    _, seen = on_terminal(elsewhere(served, tmp_path), "audit", "verify")
    assert "Nothing is missing in between" in seen
    assert "Not seen from here" in seen


def test_a_changed_row_of_the_audit_log_is_found(tmp_path: Path) -> None:
    environment = at_home(tmp_path / "home")
    e2a(environment, "agents", "create", "one")
    e2a(environment, "agents", "create", "two")
    with sqlite3.connect(tmp_path / "home" / "e2a.db") as database:
        database.execute("UPDATE audit_log SET operation = 'get_agent' WHERE number = 1")
    database.close()
    done = e2a(environment, "audit", "verify")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "e2a: row 1: the row was changed [broken]\n"


def test_everything_is_exported_into_a_new_file(own: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    assert e2a(own, "export", str(file)).returncode == 0
    assert file.stat().st_mode & 0o077 == 0
    assert INBOX in [agent["email"] for agent in json.loads(file.read_text())["agents"]]
    assert e2a(own, "export", str(file)).returncode == 2
    assert json.loads(e2a(own, "export", "-").stdout)["schema_version"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_every_command(own: dict[str, str], shell: str) -> None:
    done = e2a(own, "completion", shell)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in ("hold-all-outgoing", "messages", "--idempotency-key"))
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=True)
