"""Every page for every role, and what must hold for each: found in the table of pages, so that none is forgotten."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from e2a_core.accounts.credentials import ensure_account
from e2a_core.contract.engine import Session
from e2a_core.contract.principal import Role
from e2a_core.http.pages.at_issuer import AtIssuer
from e2a_core.http.pages.dashboard import PAGES as OTHERS
from e2a_core.http.pages.home import FirstLook
from e2a_core.people.links import mint_link
from tests.pages.people import Visitor, fields_of
from tests.support.home import ASSISTANT, Home

pytestmark = [pytest.mark.anyio, pytest.mark.local_only]

_NOTHING: Any = None
PAGES = (*FirstLook(dict, {}).pages(), *AtIssuer(_NOTHING, _NOTHING).pages(), *OTHERS)

ROLES: tuple[Role, ...] = ("viewer", "reviewer", "owner")

BOX = "/mail/{email}"
ONE = "/mail/{email}/messages/{message_id}"
PATHS = (
    "/",
    "/connect",
    "/api/auth/login",
    "/pause",
    "/reviews",
    "/reviews/{held_id}",
    "/reviews/{held_id}/edit",
    "/mail",
    BOX,
    f"{BOX}/thread",
    f"{BOX}/compose",
    ONE,
    f"{ONE}/reply",
    f"{ONE}/forward",
    "/agents",
    "/agents/{email}",
    "/agents/{email}/delete",
    "/protection",
    "/protection/{email}",
    "/keys",
    "/domains",
    "/domains/{domain}",
    "/webhooks",
    "/webhooks/{webhook_id}",
    "/contacts",
    "/contacts/one",
    "/suppressions",
    "/templates",
    "/templates/new",
    "/templates/{template_id}",
    "/figures",
    "/activity",
    "/activity/events/{event_id}",
    "/settings",
    "/settings/export",
    "/settings/delete",
    "/settings/people",
    "/settings/people/{person_id}/remove",
    "/settings/sign-in",
)
"""Each page that has a frame."""
OWNERS = ("/activity/audit",)
"""Pages that an owner alone may read."""
COMMAND = {"cli_callback": "http://127.0.0.1:9/callback", "cli_state": "0123456789abcdef0123456789abcdef"}
ASKED = {
    "/contacts/one": "?address=ann@example.org",
    f"{BOX}/thread": "?id={thread}",
    "/api/auth/login": f"?{urlencode(COMMAND)}",
}
"""The values that some pages are asked with."""
PARTS = (
    f"{ONE}/html",
    f"{ONE}/text",
    f"{ONE}/source",
    f"{ONE}/files/{{index}}",
    "/reviews/list",
    "/reviews/{held_id}/html",
    "/reviews/{held_id}/text",
    "/reviews/{held_id}/files/{index}",
)
"""What is asked for by a page."""


@dataclass(frozen=True)
class Sent:
    """A form: the least role that may send it, and its fields, in which stand the names of `held`."""

    role: Role
    fields: dict[str, str] = field(default_factory=dict)
    status: int = 303


SEEN = {"content_hash": "{hash}"}
MANY = {"action": "reject", "message": "{held_id} {hash}"}
TEMPLATE = {"name": "Mine", "subject": "Hi {{{{name}}}}", "text": "Dear {{{{name}}}}"}
NAMED = {"name": "{email}"}
GUARDED = {
    "outbound_policy": "open",
    "outbound_action": "flag",
    "inbound_policy": "open",
    "inbound_action": "flag",
    "ttl": "3600",
    "on_expiry": "reject",
}
FORMS = {
    "/hold-outgoing": Sent("owner"),
    "/api/auth/login": Sent("owner", COMMAND),
    "/pause": Sent("owner"),
    "/resume": Sent("owner"),
    "/test-mail": Sent("owner", {"inbox": ASSISTANT}),
    "/settings/people": Sent("owner", {"email": "new@example.org", "role": "viewer"}),
    "/settings/people/{person_id}/link": Sent("owner"),
    # No mail leaves the home of these tests.
    "/settings/people/{person_id}/mail": Sent("owner", {}, 404),
    "/settings/people/{person_id}/role": Sent("owner", {"role": "viewer"}),
    "/settings/people/{person_id}/remove": Sent("owner"),
    "/settings/sign-in/device": Sent("viewer"),
    # Each person has their own passkeys, and none of those that are named here.
    "/settings/sign-in/passkeys": Sent("viewer", {"passkey": "{{}}"}, 400),
    "/settings/sign-in/passkeys/{passkey_id}/rename": Sent("viewer", {"name": "x"}, 404),
    "/settings/sign-in/passkeys/{passkey_id}/remove": Sent("viewer", {}, 404),
    "/settings/sign-in/identities": Sent("viewer", {}, 404),
    "/settings/sign-in/identities/{identity_id}/remove": Sent("viewer", {}, 404),
    "/reviews/ask": Sent("viewer", {"action": "approve", "message": "{held_id}"}),
    "/reviews/decide": Sent("reviewer", MANY),
    "/reviews/{held_id}/edit": Sent("viewer", SEEN),
    "/reviews/{held_id}/approve": Sent("reviewer", SEEN),
    "/reviews/{held_id}/reject": Sent("reviewer", SEEN),
    "/agents": Sent("owner", {"email": "new@agents.example"}),
    "/agents/{email}": Sent("owner", {"name": "New"}),
    "/agents/{email}/pause": Sent("owner"),
    "/agents/{email}/resume": Sent("owner"),
    "/agents/{email}/delete": Sent("owner", NAMED),
    "/agents/{email}/restore": Sent("owner", {}, 409),
    "/agents/{email}/erase": Sent("owner", NAMED),
    "/agents/{email}/delegations": Sent("owner", {"human": "ann@example.org"}),
    "/agents/{email}/delegations/end": Sent("owner", {"id": "{delegation_id}"}),
    "/protection/{email}": Sent("owner", GUARDED),
    "/protection/{email}/hold-all": Sent("owner"),
    "/keys": Sent("owner", {"reach": "{email}"}),
    "/keys/revoke": Sent("owner", {"id": "{key_id}"}),
    "/domains": Sent("owner", {"domain": "more.example.net"}),
    "/domains/{domain}/verify": Sent("owner"),
    "/domains/{domain}/rotate-key": Sent("owner"),
    "/domains/{domain}/delete": Sent("owner", {"name": "{domain}"}),
    "/webhooks": Sent("owner", {"url": "http://127.0.0.1:9/a", "events": "email.sent"}),
    "/webhooks/{webhook_id}": Sent("owner", {"url": "http://127.0.0.1:9/a", "events": "email.sent"}),
    "/webhooks/{webhook_id}/turn": Sent("owner"),
    "/webhooks/{webhook_id}/test": Sent("owner"),
    "/webhooks/{webhook_id}/rotate": Sent("owner"),
    "/webhooks/{webhook_id}/delete": Sent("owner"),
    "/webhooks/{webhook_id}/again": Sent("owner", {"event": "{event_id}"}, 409),
    "/contacts": Sent("owner", {"address": "new@example.org"}),
    "/contacts/import": Sent("owner", {"lines": "a@example.org, A\nnobody"}),
    "/contacts/undo": Sent("owner", {"batch": "none"}, 404),
    "/contacts/rename": Sent("owner", {"address": "ann@example.org", "name": "Ann"}),
    "/contacts/delete": Sent("owner", {"address": "ann@example.org"}),
    "/suppressions": Sent("owner", {"agent": "{email}", "address": "bob@example.org"}),
    "/suppressions/lift": Sent("owner", {"agent": "{email}", "address": "dan@example.org"}),
    "/templates/new": Sent("owner", TEMPLATE),
    "/templates/copy": Sent("owner", {"starter": "{starter}"}),
    "/templates/{template_id}": Sent("owner", TEMPLATE),
    "/templates/{template_id}/delete": Sent("owner"),
    "/activity/events/{event_id}/redeliver": Sent("owner"),
    "/settings/sessions/end": Sent("viewer", {"id": "none"}, 404),
    "/settings/export": Sent("owner"),
    "/settings/delete": Sent("owner", {"name": "owner@localhost"}),
    f"{BOX}/compose": Sent("owner", {"to": "bob@example.org", "subject": "Hi", "text": "Hello"}),
    f"{ONE}/reply": Sent("owner", {"text": "Hello"}),
    f"{ONE}/forward": Sent("owner", {"to": "bob@example.org"}),
    f"{ONE}/labels": Sent("owner", {"labels": "urgent"}),
    f"{ONE}/mark": Sent("owner", {"as": "read"}),
    f"{ONE}/trash": Sent("owner"),
    f"{ONE}/restore": Sent("owner", {}, 409),
    f"{ONE}/erase": Sent("owner", {}, 409),
}


NAMING = (
    "/test-mail",
    "/reviews/ask",
    "/reviews/decide",
    "/keys",
    "/keys/revoke",
    "/contacts/undo",
    "/contacts/rename",
    "/contacts/delete",
    "/suppressions",
    "/suppressions/lift",
    "/settings/sessions/end",
)
"""Forms that name a thing in a field."""


def test_the_lists_are_complete() -> None:
    assert {page.path for page in PAGES if page.method == "POST"} == set(FORMS)
    assert {page.path for page in PAGES if page.method == "GET"} | {"/"} == {*PATHS, *OWNERS, *PARTS}


@pytest.mark.parametrize("role", ROLES)
async def test_each_page_opens_for_each_role(home: Home, url: str, held: dict[str, str], role: Role) -> None:
    async with Visitor(home, url) as person:
        await person.sign_in(role, "rita@example.org")
        for path in (*PATHS, *OWNERS, *PARTS):
            asked = (path + ASKED.get(path, "")).format(**held)
            answer = await person.get(asked)
            if path in OWNERS and role != "owner":
                assert answer.status_code == 403
                continue
            assert answer.status_code == 200, path
            assert len(answer.content) < 50_000
            assert (await person.client.head(asked)).status_code == 200
            if path in (*PATHS, *OWNERS):
                assert (
                    re.findall(r'(?:src|href|action)="(?!/|#|data:|cursor:|vscode:)[^"]*"', answer.text) == []
                )
                assert re.findall(r"<[^>]*\b(?:style|on\w+)=", answer.text) == []
                assert answer.text.count("<h1") == 1


@pytest.mark.parametrize("role", ROLES[:2])
async def test_what_a_role_may_not_send_is_refused(
    home: Home, url: str, owner: Session, held: dict[str, str], role: Role
) -> None:
    async with Visitor(home, url) as person:
        await person.sign_in(role, "rita@example.org")
        proof = fields_of(await person.read("/"), "/sign-out")
        for path, sent in FORMS.items():
            if ROLES.index(role) < ROLES.index(sent.role):
                fields = {name: value.format(**held) for name, value in sent.fields.items()}
                answer = await person.post(path.format(**held), {**fields, **proof})
                assert (answer.status_code, role in answer.text) == (403, True), path
    assert (await owner.reviews.get(held["held_id"])).review_status == "pending_review"


@pytest.mark.parametrize("path", FORMS)
async def test_the_least_role_may_send_it(home: Home, url: str, held: dict[str, str], path: str) -> None:
    sent = FORMS[path]
    async with Visitor(home, url) as person:
        await person.sign_in(sent.role, "rita@example.org")
        fields = {name: value.format(**held) for name, value in sent.fields.items()}
        fields |= fields_of(await person.read("/"), "/sign-out")
        answer = await person.post(path.format(**held), fields)
        assert answer.status_code in {200, sent.status}, answer.text


async def test_the_owner_of_another_account_reaches_nothing(
    home: Home, url: str, owner: Session, held: dict[str, str]
) -> None:
    """Each page that names a thing of ours is asked for, and each form sent, by somebody who owns all of theirs."""
    core = home.local.core
    theirs = await ensure_account(core, "eve@example.net")
    before = await owner.account.export()
    async with Visitor(home, url) as eve:
        await eve.open_link(await mint_link(core, theirs.account_id, role="owner", email="eve@example.net"))
        proof = fields_of(await eve.read("/"), "/sign-out")
        for path in (*PATHS, *PARTS):
            if "{" in path + ASKED.get(path, ""):
                answer = await eve.get((path + ASKED.get(path, "")).format(**held))
                assert answer.status_code == 404, path
        for path, sent in FORMS.items():
            if "{" in path:
                fields = {name: value.format(**held) for name, value in sent.fields.items()}
                answer = await eve.post(path.format(**held), {**fields, **proof})
                assert answer.status_code in {400, 404}, path
        for path in NAMING:
            fields = {name: value.format(**held) for name, value in FORMS[path].fields.items()}
            answer = await eve.post(path, {**fields, **proof})
            assert answer.status_code not in {500, 503}, path
            assert ASSISTANT not in answer.text or path == "/test-mail", path
    after = await owner.account.export()
    assert after.model_copy(update={"generated_at": before.generated_at}) == before


async def test_who_is_not_signed_in_sees_nothing(stranger: httpx.AsyncClient, url: str) -> None:
    for page in PAGES:
        path = re.sub(r"{\w+}", "x", page.path)
        if page.method == "POST":
            answer = await stranger.post(path, data={"proof": ""}, headers={"Origin": url})
            assert answer.status_code == 401
        else:
            answer = await stranger.get(path)
            assert (answer.status_code, answer.headers["location"][:9]) == (303, "/sign-in?")
        assert "set-cookie" not in answer.headers
    assert "Overview" not in (await stranger.get("/")).text
