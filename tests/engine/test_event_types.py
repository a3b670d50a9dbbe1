"""One event of every type, made by what it tells of, as the public client reads it from the log and from a webhook."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from e2a.v1 import AsyncE2AClient, construct_event
from e2a.v1 import generated as models

from e2a_core.contract.contacts import UpsertEngagementRequest
from e2a_core.contract.domains import RegisterDomainRequest
from e2a_core.contract.engine import Session
from e2a_core.contract.events import EVENT_TYPES
from e2a_core.contract.reviews import ApproveRequest, RejectRequest
from e2a_core.contract.suppressions import CreateAgentSuppressionRequest
from e2a_core.contract.webhooks import CreateWebhookRequest
from e2a_core.errors import BlockedByPolicy
from tests.engine.mailbox import protect, send, settled
from tests.engine.test_reports import complaint, delivery_report, group
from tests.support.dns import DnsServer
from tests.support.home import ASSISTANT, Home
from tests.support.receiver import Receiver, receiving
from tests.support.smtp_sink import SmtpSink
from tests.support.waiting import until

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.relayed,
    pytest.mark.local_only("it uses the public client itself"),
]

ALICE, ANN, BOB, CAROL, NOBODY = (
    f"{name}@example.org" for name in ("alice", "ann", "bob", "carol", "nobody")
)
DOMAIN = "own.example"

MODELS: Mapping[str, Any] = {
    "email.received": models.EmailReceivedData,
    "email.sent": models.EmailSentData,
    "email.failed": models.EmailFailedData,
    "email.delivered": models.EmailDeliveredData,
    "email.bounced": models.EmailBouncedData,
    "email.complained": models.EmailComplainedData,
    "domain.sending_verified": models.DomainSendingVerifiedData,
    "domain.sending_failed": models.DomainSendingFailedData,
    "domain.suppression_added": models.DomainSuppressionAddedData,
    "agent.suppression_added": models.AgentSuppressionAddedData,
    "contact.due": models.ContactDueData,
}

_ARRIVED = {
    "message_id",
    "agent_email",
    "direction",
    "header_from",
    "envelope_from",
    "authentication",
    "delivered_to",
    "subject",
}
MEMBERS: Mapping[tuple[str, str], set[str]] = {
    ("email.flagged", "inbound"): _ARRIVED | {"conversation_id", "reply_to", "policy", "reason"},
    ("email.blocked", "inbound"): _ARRIVED | {"conversation_id", "reason", "reason_source"},
    ("email.blocked", "outbound"): {
        "message_id", "agent_email", "direction", "to", "cc", "bcc", "subject", "reason", "reason_source",
    },
    ("email.review_requested", "inbound"): _ARRIVED
    | {"conversation_id", "reason", "reason_source", "approval_expires_at"},
    ("email.review_requested", "outbound"): {
        "message_id", "direction", "agent_email", "from", "to", "cc", "bcc", "subject", "message_type",
        "conversation_id", "approval_expires_at", "lifecycle_transitions",
    },
    ("email.review_approved", "inbound"): {
        "message_id", "direction", "agent_email", "from", "subject", "message_type", "lifecycle_transitions",
    },
    ("email.review_approved", "outbound"): {
        "message_id", "direction", "agent_email", "method", "from", "to", "subject", "message_type", "edited",
        "lifecycle_transitions",
    },
    ("email.review_rejected", "inbound"): {
        "message_id", "direction", "agent_email", "message_type", "reason", "lifecycle_transitions",
    },
    ("email.review_rejected", "outbound"): {
        "message_id", "direction", "agent_email", "message_type", "reason", "lifecycle_transitions",
    },
}  # fmt: skip
"""What the types must have for which the client has no model."""

LEDGER: Mapping[tuple[str, str | None], set[str]] = {
    ("email.received", "inbound"): {"acceptance.inbound_smtp", "authentication.dmarc_pass"},
    ("email.sent", "outbound"): {"submission.upstream_accepted"},
    ("email.failed", "outbound"): {"submission.provider_rejected"},
    ("email.delivered", "outbound"): {"delivery.recipient_server_accepted"},
    ("email.bounced", "outbound"): {"delivery.permanent_bounce"},
    ("email.complained", "outbound"): {"complaint.recipient_reported"},
    ("email.review_requested", "outbound"): {"acceptance.outbound_api", "review.hold_created"},
    ("email.review_approved", "inbound"): {"review.approved"},
    ("email.review_approved", "outbound"): {"review.approved", "queue.outbound_submission"},
    ("email.review_rejected", "inbound"): {"review.rejected"},
    ("email.review_rejected", "outbound"): {"review.rejected"},
    ("domain.suppression_added", None): {"suppression.hard_bounce_applied", "suppression.complaint_applied"},
}
"""The rows of the ledger that events tell; of a suppression one of them."""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


async def mail(home: Home, sink: SmtpSink, agent: Session) -> None:
    """Mail that comes and goes, and what is reported of it."""
    await home.deliver(signer=home.keys.alice)
    sink.script.rcpt[NOBODY] = "550 5.1.1 no such user"
    await settled(agent, (await send(agent, to=[NOBODY])).message_id)
    names = [
        (await settled(agent, (await send(agent, to=[address])).message_id)).email_message_id or ""
        for address in (ANN, BOB, CAROL)
    ]
    paths = {address: item.mail_from for item in sink.messages for address in item.recipients}
    reports = {
        ANN: delivery_report(names[0], group(ANN, "delivered", "2.0.0")),
        BOB: delivery_report(names[1], group(BOB, "failed", "5.1.1")),
        CAROL: complaint(names[2], "abuse", CAROL),
    }
    for address, report in reports.items():
        await home.deliver(report, mail_from="", to=paths[address])


async def protection(home: Home, agent: Session, owner: Session) -> None:
    """What is flagged, blocked, and held in both directions."""
    nobody = {"policy": "allowlist", "allowlist": []}
    await protect(owner, inbound={**nobody, "action": "flag"})
    await home.deliver(signer=home.keys.alice)
    await protect(owner, inbound={**nobody, "action": "block"}, outbound={**nobody, "action": "block"})
    await home.deliver(signer=home.keys.alice)
    with pytest.raises(BlockedByPolicy):
        await send(agent, to=[ALICE])
    await protect(owner, inbound={**nobody, "action": "review"}, outbound={**nobody, "action": "review"})
    for number in range(2):
        await home.deliver(signer=home.keys.alice)
        await send(agent, to=[ALICE], subject=f"Held {number}")

    async def held() -> list[str] | None:
        found = [item.id for item in (await owner.reviews.list()).items]
        return found if len(found) == 4 else None

    rejected: set[str] = set()
    for message_id in await until(held):
        direction = (await owner.reviews.get(message_id)).direction
        if direction in rejected:
            await owner.reviews.approve(message_id, ApproveRequest())
        else:
            await owner.reviews.reject(message_id, RejectRequest(reason="no"))
            rejected.add(direction)


async def others(home: Home, dns: DnsServer, agent: Session, owner: Session) -> None:
    """What is not about a message."""
    await owner.suppressions.create_for_agent(
        ASSISTANT, CreateAgentSuppressionRequest(address="x@example.org")
    )
    due = UpsertEngagementRequest.model_validate({"stage": "asked", "next_action_at": home.clock.now()})
    await agent.contacts.upsert_engagement(ASSISTANT, ALICE, due)
    view = await owner.domains.register(RegisterDomainRequest(domain=DOMAIN))
    before = dict(dns.zones)
    zones: dict[str, dict[str, list[object]]] = {}
    for item in view.dns_records:
        value = (item.priority, item.value) if item.type == "MX" else item.value
        zones.setdefault(item.name, {}).setdefault(item.type, []).append(value)
    try:
        dns.zones = {**before, **zones}
        assert (await owner.domains.verify(DOMAIN)).dkim == "found"
        dns.zones = before
        assert (await owner.domains.verify(DOMAIN)).dkim == "missing"
    finally:
        dns.zones = before


async def test_every_type_is_what_the_public_client_reads(
    home: Home, dns: DnsServer, sink: SmtpSink, receiver: Receiver, agent: Session, owner: Session
) -> None:
    hook = await owner.webhooks.create(CreateWebhookRequest(url=receiver.url(), events=list(EVENT_TYPES)))
    await mail(home, sink, agent)
    await protection(home, agent, owner)
    await others(home, dns, agent, owner)
    await until(lambda: set(EVENT_TYPES) <= {json.loads(item.body)["type"] for item in receiver.requests})

    bodies = {}
    for item in receiver.requests:
        event = construct_event(item.body, item.headers["x-e2a-signature"], hook.signing_secret)
        models.EventEnvelope.from_dict(json.loads(item.body))
        assert item.headers["x-e2a-event-type"] == event.type
        bodies[event.id] = json.loads(item.body)
    async with home.listening() as url, AsyncE2AClient(home.account_key, base_url=url) as client:
        found = [event async for event in client.events.list()]
        logged = {event.id: event for event in found if event.type in EVENT_TYPES}
        assert set(bodies) <= set(logged)
        seen = set()
        for id, body in bodies.items():
            data, direction = body["data"], body["data"].get("direction")
            assert (logged[id].type, logged[id].schema_version, logged[id].data) == (body["type"], "1", data)
            check(body["type"], direction, data)
            if told := data.get("lifecycle_transitions"):
                rows = (await client.messages.get_lifecycle(ASSISTANT, data["message_id"])).items
                assert [models.MessageLifecycleTransition.from_dict(row) for row in told] == [
                    next(row for row in rows if row.id == item["id"]) for item in told
                ]
            seen.add((body["type"], direction))
    assert seen >= set(MEMBERS)
    assert {type for type, _ in seen} == set(EVENT_TYPES)


def check(type: str, direction: str | None, data: dict[str, Any]) -> None:
    """The client's model takes `data`, or it has the members of the type; and it tells its rows of the ledger."""
    if type in MODELS:
        MODELS[type].from_dict(data)
    else:
        assert set(data) >= MEMBERS[type, direction or ""], type
    told = {row["reason_code"] for row in data.get("lifecycle_transitions", ())}
    wanted = LEDGER.get((type, direction), set())
    if type == "domain.suppression_added":
        assert len(told) == 1
        assert told < wanted
    elif type == "email.received":
        assert "acceptance.inbound_smtp" in told
    else:
        assert told == wanted, (type, direction)
