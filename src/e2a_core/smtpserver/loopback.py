"""The transport to inboxes of this deployment: delivers directly, without a network connection."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from e2a_core.agents.lookup import lookup_recipient
from e2a_core.contract.states import Method
from e2a_core.core import Core
from e2a_core.errors import StoreUnavailable
from e2a_core.mail.parse import parse_message
from e2a_core.mail.trace import received_header
from e2a_core.smtpserver.arrival import Arrival, Identity
from e2a_core.smtpserver.deliver import Delivery
from e2a_core.smtpserver.inboxes import look_up
from e2a_core.smtpserver.session import IntakeRefusal, Recipient, RecipientDisabled, RecipientUnknown
from e2a_core.submission.outcome import FailureKind, RecipientOutcome, SubmissionResult, failed, succeeded
from e2a_core.submission.transports.base import BeforeContent

__all__ = ["LoopbackTransport"]

_NO_CHECK = "spf=none; dkim=none; dmarc=none"


class LoopbackTransport:
    """Delivers to inboxes of this deployment; the envelope sender is the sending agent.

    The agent counts as authenticated, because only this deployment's worker can call this transport.
    """

    name: str = Method.LOOPBACK

    def __init__(self, core: Core, delivery: Delivery) -> None:
        self._core = core
        self._delivery = delivery

    async def submit(
        self,
        envelope_from: str,
        recipients: Sequence[str],
        content: bytes,
        before_content: BeforeContent | None = None,
    ) -> SubmissionResult:
        """Deliver `content`. Failures become outcomes: a missing inbox is a permanent failure of its recipient."""
        outcomes: list[RecipientOutcome] = []
        reached: list[tuple[str, Recipient]] = []
        try:
            for address in recipients:
                found = await lookup_recipient(self._core, address)
                if found is None:
                    outcomes += _refused(address, RecipientUnknown())
                elif found.agent.trashed:
                    outcomes += _refused(address, RecipientDisabled())
                else:
                    reached.append((address, Recipient(address, found.agent.email, found.tag)))
            if reached:
                arrival = await self._arrival(envelope_from, [item for _, item in reached], content)
                delivered = await self._delivery.deliver(arrival, [item for _, item in reached])
                for address, recipient in reached:
                    refusal = delivered.refused.get(recipient.agent)
                    outcomes += _refused(address, refusal) if refusal else _delivered(address)
        except StoreUnavailable as error:
            settled = {item.address for item in outcomes}
            left = [address for address in recipients if address not in settled]
            outcomes += failed(left, FailureKind.OUTAGE, f"4.3.0 {error.message}")
        return SubmissionResult(tuple(outcomes), self.name)

    async def aclose(self) -> None:
        pass

    async def _arrival(self, author: str, recipients: Sequence[Recipient], content: bytes) -> Arrival:
        parsed = await self._core.offload.run(len(content), parse_message, content)
        dedupe_key = hashlib.sha256(f"loopback|{author}|{parsed.message_id}".encode()).hexdigest()
        inboxes = await look_up(
            self._core, parsed, recipients, author=author, verified=True, dedupe_key=dedupe_key
        )
        trace = received_header(
            helo="loopback",
            peer=None,
            by=self._core.settings.hostname,
            protocol="LMTP",
            queue_id=self._core.ids.new("", 8),
            instant=self._core.clock.now(),
        )
        return Arrival(
            content=content,
            content_hash=hashlib.sha256(content).hexdigest(),
            trace=trace.decode("ascii"),
            parsed=parsed,
            envelope_from=None,
            identity=Identity(author, True, True, _NO_CHECK, author if author in inboxes.agents else None),
            authentication=None,
            accepted_as="acceptance.local_loopback",
            inboxes=inboxes,
            conversation_id=parsed.conversation_header,
            dedupe_key=dedupe_key,
        )


def _refused(address: str, refusal: IntakeRefusal) -> list[RecipientOutcome]:
    return failed([address], FailureKind.PERMANENT, f"{refusal.enhanced} {refusal.text}", refusal.code)


def _delivered(address: str) -> list[RecipientOutcome]:
    return succeeded([address], 250, "2.1.5 delivered here")
