"""The end of an account, in the files that held it."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from e2a_core.contract.agents import CreateAgentRequest
from e2a_core.contract.contacts import CreateContactRequest
from e2a_core.contract.engine import Session
from e2a_core.contract.protection import ProtectionConfig
from e2a_core.contract.sending import Attachment, SendEmailRequest, SendOptions, UnsubscribeOptions
from e2a_core.contract.templates import CreateTemplateRequest
from e2a_core.store import sql
from tests.support.home import ASSISTANT, Home, stranger

pytestmark = [pytest.mark.anyio, pytest.mark.local_only("it is about the database file")]

WORD = "zwieback"
FOREIGNER = "foreigner@agents.example"
HOLD = ProtectionConfig.model_validate(
    {
        "inbound": {"gate": {}, "scan": {}},
        "outbound": {"gate": {"policy": "allowlist", "action": "review"}, "scan": {}},
        "holds": {},
    }
)


@pytest.fixture
def database_kind() -> str:
    """The one whose files are ours."""
    return "sqlite"


def letter(to: str, text: str, **members: object) -> SendEmailRequest:
    return SendEmailRequest.model_validate({"to": [to], "subject": text, "text": text, **members})


def occurrences(folder: Path, word: str) -> dict[str, int]:
    """How often the files of the database hold the word, in any case."""
    files = {path.name: path.read_bytes().lower().count(word.encode()) for path in folder.glob("e2a.db*")}
    assert files
    return {name: count for name, count in files.items() if count}


async def test_no_word_of_it_stays_in_the_file_or_its_log(
    home: Home, owner: Session, agent: Session, tmp_path: Path
) -> None:
    home.local.core.links.base_url = "http://127.0.0.1:8080"
    foreign = await home.local.session(await stranger(home, FOREIGNER))
    sent = SendOptions(wait="sent")
    file = Attachment(filename=f"{WORD}.txt", content_type="text/plain", data="aGVsbG8=")
    for number in range(20):
        text = f"{WORD} {WORD}{number}"
        await agent.messages.send(ASSISTANT, letter(ASSISTANT, text, attachments=[file]), sent)
        await foreign.messages.send(FOREIGNER, letter(FOREIGNER, f"crispbread crispbread{number}"), sent)
    managed = UnsubscribeOptions(mode="managed")
    await agent.messages.send(ASSISTANT, letter(f"{WORD}@example.org", WORD, unsubscribe=managed), sent)
    await home.deliver(subject=WORD, text=f"{WORD} from outside")
    await owner.contacts.create(CreateContactRequest(address=f"{WORD}1@example.org", display_name=WORD))
    await owner.templates.create(CreateTemplateRequest(name=WORD, subject=WORD, text=WORD))
    await owner.agents.create(CreateAgentRequest(email="other@agents.example", name=WORD))
    await owner.agents.delete("other@agents.example", permanent=True)
    await owner.protection.put(ASSISTANT, HOLD)
    await agent.messages.send(ASSISTANT, letter(f"{WORD}2@example.org", WORD), SendOptions())
    assert occurrences(tmp_path, WORD)

    assert (await owner.account.delete()).user_deleted

    assert not occurrences(tmp_path, WORD)
    assert occurrences(tmp_path, "crispbread")


async def test_no_remains_stay_of_rows_that_moved_before_they_were_deleted(
    home: Home, owner: Session, tmp_path: Path
) -> None:
    """SQLite overwrites what it deletes where it is, but not where it was before a page was split or merged."""
    db = home.local.core.db
    await db.write([sql("CREATE TABLE moved (name TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID")])
    random = Random(9)
    numbers = list(range(200))
    random.shuffle(numbers)
    for number in numbers:
        word = WORD if number % 2 else "crispbread"
        body = f"{word} " * random.randrange(1, 60)
        await db.write([sql("INSERT INTO moved VALUES (:name, :body)", name=f"{number:05}", body=body)])
    await db.write([sql(f"DELETE FROM moved WHERE body LIKE '{WORD}%'")])
    await db.read(sql("PRAGMA wal_checkpoint(TRUNCATE)"))
    assert occurrences(tmp_path, WORD)

    assert (await owner.account.delete()).user_deleted

    assert not occurrences(tmp_path, WORD)
