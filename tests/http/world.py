"""One account with one of everything, a sibling agent, and somebody else: what the matrix of callers is tried on."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from e2a_core.accounts.credentials import ensure_account, mint_key
from e2a_core.contract.agents import CreateAgentRequest
from e2a_core.contract.principal import Principal
from e2a_core.local.agents import Agents
from e2a_core.store.statement import sql
from e2a_core.suppressions import queries
from tests.support.home import ASSISTANT, SHARED, Home
from tests.support.waiting import until

__all__ = ["BODIES", "SIBLING", "Operation", "World", "make_world", "operations"]

SIBLING = f"sibling@{SHARED}"
SUPPRESSED = "erin@example.org"
FOREIGNER = f"foreigner@{SHARED}"
NOBODY = "http://127.0.0.1:9/hook"
VOLATILE = {
    "accounts": {"mcp_seen_at"},
    "api_keys": {"last_used_at"},
    "meta": {"value"},
    "sessions": {"last_seen_at"},
}
METHODS = ("get", "post", "put", "patch", "delete")

MAIL: dict[str, Any] = {"to": ["bob@example.org"], "subject": "s", "text": "t"}
HELD = {
    **MAIL,
    "html": "<p>t</p>",
    "attachments": [{"filename": "a.txt", "content_type": "text/plain", "data": "YQ=="}],
}
"""With all that a page of its review shows."""
OPEN: dict[str, Any] = {
    "inbound": {"gate": {}, "scan": {}},
    "outbound": {"gate": {}, "scan": {}},
    "holds": {},
}
HOLD = {**OPEN, "outbound": {"gate": {"policy": "allowlist", "action": "review"}, "scan": {}}}

BODIES: dict[str, Any] = {
    "create_api_key": {"name": "made"},
    "create_agent": {"email": f"made@{SHARED}"},
    "update_agent": {"name": "changed"},
    "create_webhook": {"url": NOBODY, "events": ["domain.sending_failed"]},
    "update_webhook": {"description": "changed"},
    "test_webhook": {},
    "redeliver_event": {},
    "create_delegation": {"human": "human@example.org"},
    "put_agent_protection": OPEN,
    "send_message": MAIL,
    "update_message": {"add_labels": ["changed"]},
    "reply_to_message": {"text": "t"},
    "forward_message": {"to": ["bob@example.org"], "text": "t"},
    "approve_message": {},
    "reject_message": {},
    "approve_review": {},
    "reject_review": {},
    "register_domain": {"domain": "made.example.com"},
    "create_template": {"name": "made", "subject": "s", "text": "t"},
    "validate_template": {"subject": "s", "text": "t"},
    "update_template": {"name": "changed"},
    "create_agent_suppression": {"address": "dora@example.org"},
    "create_contact": {"address": "made@example.org"},
    "import_contacts": {"contacts": [{"address": "imported@example.org"}]},
    "update_contact": {"display_name": "changed"},
    "upsert_engagement": {"stage": "changed"},
}
"""A body each operation accepts; an operation that reads one and is missing here fails the tests that need it."""


@dataclass(frozen=True)
class Operation:
    name: str
    method: str
    template: str
    public: bool
    reads_body: bool

    @property
    def has_path(self) -> bool:
        return "{" in self.template

    @property
    def of_agent(self) -> bool:
        return "{email}" in self.template


def operations(document: dict[str, Any]) -> list[Operation]:
    """Every operation of the served document."""
    return [
        Operation(
            re.sub(r"(?<!^)(?=[A-Z])", "_", described["operationId"]).lower(),
            method.upper(),
            path,
            "security" not in described,
            "requestBody" in described,
        )
        for path, methods in document["paths"].items()
        for method, described in methods.items()
        if method in METHODS
    ]


@dataclass
class World:
    """Ids of what the owner has, and the keys of everybody."""

    home: Home
    ids: dict[str, str]
    keys: dict[str, str]

    def path(self, operation: Operation) -> str:
        """The operation's path with the owner's things in it."""
        values = {
            "email": ASSISTANT,
            "address": SUPPRESSED if "suppressions" in operation.template else "bob@example.org",
            "domain": "owned.example.com",
            "alias": "welcome",
            "index": "0",
            "batch_id": self.ids["batch"],
            "id": self.ids.get(_kind(operation), self.ids["message"]),
        }
        path = operation.template
        for name, value in values.items():
            path = path.replace(f"{{{name}}}", value)
        return path

    async def send(
        self, client: httpx.AsyncClient, operation: Operation, key: str | None, **headers: str
    ) -> httpx.Response:
        """The operation on the owner's things, with a body it accepts."""
        given = {"Authorization": f"Bearer {key}", **headers} if key else headers
        return await client.request(
            operation.method,
            self.path(operation),
            params={"confirm": "DELETE"} if operation.method == "DELETE" else None,
            json=BODIES[operation.name] if operation.reads_body else None,
            headers=given,
        )

    async def everything(self, *, but: Collection[str] = ()) -> dict[str, list[str]]:
        """Every row of every table except those of `but`, apart from what merely being asked may change."""
        db = self.home.local.core.db
        tables = await db.read(
            sql(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
                "AND name NOT LIKE 'message_search%'",
                postgresql="SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' "
                "AND tablename <> 'message_search'",
            )
        )
        found = {}
        for table in sorted({str(item["name"]) for item in tables} - set(but)):
            hidden = VOLATILE.get(table, set())
            rows = await db.read(sql(f"SELECT * FROM {table}"))
            found[table] = sorted(
                repr({name: row[name] for name in row if name not in hidden})
                for row in rows
                # Those come again by the clock alone.
                if table != "jobs" or not str(row["dedupe_key"]).startswith("every:")
            )
        return found


async def make_world(home: Home, client: httpx.AsyncClient) -> World:
    owner = {"Authorization": f"Bearer {home.account_key}"}

    async def call(method: str, path: str, body: Any = None) -> dict[str, Any]:
        response = await client.request(method, path, json=body, headers=owner)
        assert response.is_success, response.text
        answer: dict[str, Any] = response.json()
        return answer

    file = {"filename": "a.txt", "content_type": "text/plain", "data": base64.b64encode(b"words").decode()}
    base = f"/v1/agents/{ASSISTANT}"
    note = {"to": [ASSISTANT], "subject": "Note", "text": "private words", "attachments": [file]}
    await call("POST", f"{base}/messages", note)
    [message] = (await call("GET", f"{base}/messages?limit=1"))["items"]
    conversation = await call("GET", f"{base}/conversations?limit=1")
    await call("PUT", f"{base}/protection", HOLD)
    held = await call("POST", f"{base}/messages", HELD)
    await call("POST", "/v1/agents", {"email": SIBLING})
    template = await call("POST", "/v1/templates", {"name": "Own", "subject": "s", "text": "t"})
    await call("POST", "/v1/contacts", {"address": "bob@example.org"})
    await call("PUT", f"{base}/contacts/bob@example.org", {"stage": "asked"})
    batch = await call("POST", "/v1/contacts/import", {"contacts": [{"address": "dan@example.org"}]})
    await call("POST", "/v1/domains", {"domain": "owned.example.com"})
    await call("POST", f"{base}/suppressions", {"address": SUPPRESSED})
    delegation = await call("POST", f"{base}/delegations", {"human": "human@example.org"})
    key = await call("POST", "/v1/account/api-keys", {"name": "spare"})
    webhook = await call("POST", "/v1/webhooks", BODIES["create_webhook"])
    [event] = (await call("GET", "/v1/events?limit=1"))["items"]
    account = await call("GET", "/v1/account")
    await home.local.core.db.write(
        [queries.insert(account["user"]["id"], SUPPRESSED, "bounce", None, None, 1_800_000_000_000_000)]
    )
    ids = {
        "message": message["id"],
        "held": held["message_id"],
        "conversation": conversation["items"][0]["id"],
        "template": template["id"],
        "batch": batch["batch_id"],
        "delegation": delegation["id"],
        "key": key["id"],
        "webhook": webhook["id"],
        "event": event["id"],
    }
    await until(home.idle)
    return World(home, ids, await _keys(home, account["user"]["id"]))


async def _keys(home: Home, account_id: str) -> dict[str, str]:
    core = home.local.core
    foreign_id, _ = await ensure_account(core, "stranger@example.net")
    foreigner = Principal(foreign_id, "stranger@example.net", "account", None, "test")
    await Agents(core, foreigner).create(CreateAgentRequest(email=FOREIGNER))
    revoked = await mint_key(core, account_id)
    await core.db.write([sql("UPDATE api_keys SET revoked_at = 1 WHERE id = :id", id=revoked.row.id)])
    expired = await mint_key(core, account_id, expires_at=core.clock.now() - timedelta(seconds=1))
    sibling = await mint_key(core, account_id, scope="agent", agent_email=SIBLING)
    return {
        "wrong": "e2a_acct_" + "0" * 64,
        "revoked": revoked.plaintext,
        "expired": expired.plaintext,
        "own": home.agent_key,
        "sibling": sibling.plaintext,
        "foreign": (await mint_key(core, foreign_id)).plaintext,
        "foreign agent": (await mint_key(core, foreign_id, scope="agent", agent_email=FOREIGNER)).plaintext,
    }


def _kind(operation: Operation) -> str:
    """Whose id the path's `{id}` is."""
    for word, kind in (
        ("/templates/", "template"),
        ("/reviews/", "held"),
        ("/approve", "held"),
        ("/reject", "held"),
        ("/conversations/", "conversation"),
        ("/delegations/", "delegation"),
        ("/api-keys/", "key"),
        ("/webhooks/", "webhook"),
        ("/events/", "event"),
    ):
        if word in operation.template:
            return kind
    return "message"
