"""Inviting people, changing what they may do, and removing them."""

from __future__ import annotations

from html import unescape
from urllib.parse import urlsplit

import pytest

from e2a_core.contract.audit import AuditQuery
from e2a_core.store.statement import sql
from tests.pages.people import Visitor, fields_of
from tests.support.home import Home

pytestmark = pytest.mark.anyio

PATH = "/settings/people"


async def invited(
    visitor: Visitor, email: str = "rita@example.org", role: str = "reviewer", name: str = ""
) -> str:
    """The relative link of an invitation that the owner makes."""
    answer = await visitor.submit(PATH, PATH, email=email, role=role, name=name)
    assert answer.status_code == 200, answer.text
    return link_in(answer.text)


def link_in(page: str) -> str:
    parts = urlsplit(unescape(page.partition("<code>")[2].partition("</code>")[0]))
    return f"{parts.path}?{parts.query}"


async def enter(person: Visitor, link: str) -> int:
    asked = await person.get(link)
    if asked.status_code != 200:
        return asked.status_code
    return (await person.post("/sign-in", fields_of(asked.text, "/sign-in"))).status_code


async def person_id(home: Home, email: str = "rita@example.org") -> str:
    [row] = await home.local.core.db.read(sql("SELECT id FROM people WHERE email = :email", email=email))
    return str(row["id"])


async def test_an_invitation_lets_one_person_in_once(visitor: Visitor, home: Home, url: str) -> None:
    link = await invited(visitor, name="Rita")
    assert "has not signed in yet" in await visitor.read(PATH)
    home.clock.advance(days=6)
    await visitor.sign_in()
    async with Visitor(home, url) as rita, Visitor(home, url) as second:
        assert await enter(rita, link) == 303
        assert "reviewer" in await rita.read("/")
        assert await enter(second, link) == 410
    page = await visitor.read(PATH)
    assert "Rita" in page
    assert "has not signed in yet" not in page


async def test_an_invitation_ends_after_a_week(visitor: Visitor, home: Home, url: str) -> None:
    link = await invited(visitor)
    home.clock.advance(days=7)
    async with Visitor(home, url) as rita:
        assert await enter(rita, link) == 410


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"email": ""}, 400, ""),
        ({"email": "no address"}, 400, ""),
        ({"email": "a@example.org, b@example.org"}, 400, ""),
        ({"email": "a@example.org", "role": "admin"}, 400, "owner, reviewer or viewer"),
        ({"email": "a@example.org", "role": ""}, 400, "owner, reviewer or viewer"),
        ({"email": "a@example.org", "name": "n" * 101}, 400, "at most 100"),
        ({"email": "a@example.org", "name": "n\u202en"}, 400, "printable"),
        ({"email": "{own}"}, 409, "own address"),
        ({"email": "AL@example.org"}, 409, "there already"),
    ],
)
async def test_invitations_that_are_refused(
    visitor: Visitor, home: Home, fields: dict[str, str], status: int, words: str
) -> None:
    await invited(visitor, "al@example.org")
    own = (await home.local.session(home.account_key)).principal.account_email
    given = {"role": "viewer", **{name: value.format(own=own) for name, value in fields.items()}}
    answer = await visitor.submit(PATH, PATH, **given)
    assert (answer.status_code, words in answer.text) == (status, True)
    [row] = await home.local.core.db.read(sql("SELECT COUNT(*) AS n FROM people"))
    assert row["n"] == 2


async def test_names_are_escaped(visitor: Visitor) -> None:
    await invited(visitor, "x@example.org", name="<script>alert(1)</script>")
    assert "<script>alert" not in await visitor.read(PATH)


async def test_a_role_that_changes_ends_the_sessions(visitor: Visitor, home: Home, url: str) -> None:
    link = await invited(visitor, role="owner")
    async with Visitor(home, url) as rita:
        await enter(rita, link)
        path = f"{PATH}/{await person_id(home)}"
        assert (await visitor.submit(PATH, f"{path}/role", role="viewer")).status_code == 303
        assert (await rita.get(PATH)).status_code == 303
        again = await visitor.submit(PATH, f"{path}/link")
        assert await enter(rita, link_in(again.text)) == 303
        assert "Invite somebody" not in await rita.read(PATH)
        assert "viewer" in await rita.read("/")


async def test_who_is_removed_is_out_at_once(visitor: Visitor, home: Home, url: str) -> None:
    link, spare = await invited(visitor), ""
    path = f"{PATH}/{await person_id(home)}"
    spare = link_in((await visitor.submit(PATH, f"{path}/link")).text)
    async with Visitor(home, url) as rita:
        await enter(rita, link)
        assert (await visitor.submit(f"{path}/remove", f"{path}/remove")).status_code == 303
        assert (await rita.get("/reviews")).status_code == 303
        assert await enter(rita, spare) == 400
    assert "rita@example.org" not in await visitor.read(PATH)


async def test_the_last_owner_stays(visitor: Visitor, home: Home, url: str) -> None:
    link = await invited(visitor, role="owner")
    async with Visitor(home, url) as rita:
        await enter(rita, link)
        core = home.local.core
        [own] = await core.db.read(sql("SELECT id FROM people WHERE email IS NULL"))
        proof = fields_of(await rita.read("/"), "/sign-out")
        for action, fields in (("remove", {}), ("role", {"role": "viewer"}), ("link", {})):
            answer = await rita.post(f"{PATH}/{own['id']}/{action}", {**proof, **fields})
            assert (answer.status_code, "last owner" in answer.text) == (409, True)
    assert "Invite somebody" in await visitor.read(PATH)


async def test_people_of_other_accounts_are_out_of_reach(visitor: Visitor, home: Home) -> None:
    core = home.local.core
    await core.db.write(
        [
            sql("INSERT INTO accounts (id, email, created_at) VALUES ('usr_other', 'o@example.net', 1)"),
            sql(
                "INSERT INTO people (id, account_id, email, role, created_at) "
                "VALUES ('per_other', 'usr_other', 'p@example.net', 'owner', 1)"
            ),
        ]
    )
    proof = fields_of(await visitor.read("/"), "/sign-out")
    for action in ("remove", "role", "link"):
        for other in ("per_other", "per_none", "e2a_in_secret"):
            answer = await visitor.post(f"{PATH}/{other}/{action}", {**proof, "role": "viewer"})
            assert answer.status_code == 404
    assert (await visitor.get(f"{PATH}/per_other/remove")).status_code == 404
    assert "p@example.net" not in await visitor.read(PATH)


async def test_invitations_are_logged_without_their_links(visitor: Visitor, home: Home, url: str) -> None:
    link = await invited(visitor, role="viewer")
    async with Visitor(home, url) as rita:
        await enter(rita, link)
        proof = fields_of(await rita.read("/"), "/sign-out")
        refused = await rita.post(PATH, {**proof, "email": "b@example.org", "role": "owner"})
        assert refused.status_code == 403
    owner = await home.local.session(home.account_key)
    items = (await owner.audit.list(AuditQuery())).items
    told = {(item.operation, item.person, item.outcome) for item in items}
    assert {("invite_person", "rita@example.org", "refused"), ("sign_in", "rita@example.org", "ok")} <= told
    rows = [
        dict(row) for row in await home.local.core.db.read(sql("SELECT * FROM audit_log ORDER BY number"))
    ]
    assert link.partition("t=")[2] not in str(rows)
