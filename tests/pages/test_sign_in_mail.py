"""A sign-in link by mail: to the account's address, and to nobody else."""

from __future__ import annotations

import re
from email import message_from_bytes, policy

import pytest

from e2a_core.store.statement import sql
from e2a_core.suppressions.queries import insert
from tests.pages.people import Visitor, account_id, fields_of
from tests.support.home import ASSISTANT, Home
from tests.support.smtp_sink import SmtpSink
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.relayed, pytest.mark.local_only]

OWNER = "boss@corp.example"
PEOPLE = "/settings/people"


async def owned_by(home: Home, email: str) -> None:
    await home.local.core.db.write([sql("UPDATE accounts SET email = :email", email=email)])


async def all_done(home: Home) -> None:
    async def look() -> bool:
        return not await home.local.core.db.read(sql("SELECT id FROM jobs WHERE kind = 'sign_in_mail'"))

    await until(look)


async def links(home: Home) -> int:
    return len(await home.local.core.db.read(sql("SELECT 1 FROM sign_in_links")))


async def test_the_link_signs_in(home: Home, url: str, sink: SmtpSink) -> None:
    await owned_by(home, OWNER)
    async with Visitor(home, url) as person:
        assert "Mail me a link" in await person.read("/sign-in")
        answer = await person.post("/sign-in/mail", {"email": "Boss@corp.example"})
        assert answer.status_code == 200
        [captured] = await sink.wait_for(1)
        assert captured.recipients == (OWNER,)
        mail = message_from_bytes(captured.content, policy=policy.default)
        body = mail.get_body(("plain",))
        assert body is not None
        found = re.search(r"/sign-in\?t=(\S+)", body.get_content())
        assert found
        asked = await person.get(found[0])
        assert (await person.post("/sign-in", fields_of(asked.text, "/sign-in"))).status_code == 303


@pytest.mark.parametrize("account", [OWNER, ASSISTANT, "owner@localhost"])
async def test_the_answer_is_the_same_and_others_get_nothing(
    home: Home, url: str, sink: SmtpSink, account: str
) -> None:
    await owned_by(home, account)
    async with Visitor(home, url) as person:
        known = await person.post("/sign-in/mail", {"email": account})
        other = await person.post("/sign-in/mail", {"email": "nobody@corp.example"})
        assert (known.status_code, known.text) == (other.status_code, other.text)
    await all_done(home)
    assert len(sink.messages) == await links(home) == (1 if account == OWNER else 0)


async def test_what_is_refused(home: Home, url: str, sink: SmtpSink) -> None:
    await owned_by(home, OWNER)
    async with Visitor(home, url) as person:
        cross = await person.post("/sign-in/mail", {"email": OWNER}, **{"Sec-Fetch-Site": "cross-site"})
        assert cross.status_code == 403
        for junk in ("", "x" * 400, "a\x00@b"):
            assert (await person.post("/sign-in/mail", {"email": junk})).status_code == 400
        found = [(await person.post("/sign-in/mail", {"email": OWNER})).status_code for _ in range(4)]
        assert found == [200] * 3 + [429]


async def test_an_invitation_is_mailed_and_lets_its_person_in_once(
    home: Home, url: str, visitor: Visitor, sink: SmtpSink
) -> None:
    made = await visitor.submit(PEOPLE, PEOPLE, email="rita@corp.example", role="reviewer", name="")
    assert "Mail them a link" in made.text
    [row] = await home.local.core.db.read(sql("SELECT id FROM people WHERE email = 'rita@corp.example'"))
    path = f"{PEOPLE}/{row['id']}/mail"
    assert (await visitor.submit(PEOPLE, path)).headers["location"].endswith("said=invitation-mailed")
    [captured] = await sink.wait_for(1)
    assert captured.recipients == ("rita@corp.example",)
    body = message_from_bytes(captured.content, policy=policy.default).get_body(("plain",))
    assert body is not None
    found = re.search(r"/sign-in\?t=(\S+)", body.get_content())
    assert found
    async with Visitor(home, url) as rita:
        asked = await rita.get(found[0])
        assert (await rita.post("/sign-in", fields_of(asked.text, "/sign-in"))).status_code == 303
        refused = await rita.post(path, fields_of(await rita.read("/"), "/sign-out"))
        assert refused.status_code == 403
    rows = await home.local.core.db.read(
        sql("SELECT outcome FROM audit_log WHERE operation = 'mail_invitation' ORDER BY number")
    )
    assert sorted(row["outcome"] for row in rows) == ["ok", "refused"]


async def test_no_invitation_goes_where_none_must_go(home: Home, visitor: Visitor, sink: SmtpSink) -> None:
    """Not to an address that is suppressed, nor to an inbox here, nor without end."""
    core = home.local.core
    await core.db.write([insert(await account_id(home), "dan@corp.example", "manual", None, None, 0)])
    answers = []
    for address in ("dan@corp.example", ASSISTANT, "eva@corp.example"):
        await visitor.submit(PEOPLE, PEOPLE, email=address, role="viewer", name="")
        [row] = await home.local.core.db.read(
            sql("SELECT id FROM people WHERE email = :email", email=address)
        )
        answers.append(await visitor.submit(PEOPLE, f"{PEOPLE}/{row['id']}/mail"))
    assert [answer.status_code for answer in answers] == [422, 400, 303]
    path = f"{PEOPLE}/{row['id']}/mail"
    codes = [(await visitor.submit(PEOPLE, path)).status_code for _ in range(8)]
    assert codes == [303] * 7 + [429]
    await sink.wait_for(1)
    assert {message.recipients for message in sink.messages} == {("eva@corp.example",)}
