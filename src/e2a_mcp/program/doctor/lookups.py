"""Look-ups in the DNS, as the world makes them: past every cache, each with its own time limit."""

from __future__ import annotations

from dataclasses import dataclass

from e2a_core.authentication.resolver import Answer, DnsFailure, RecordType, Resolver, TemporaryFailure
from e2a_core.clock import Clock
from e2a_core.settings import Settings
from e2a_mcp.program.doctor.finding import Cause, Finding, fail, quoted, warn
from e2a_mcp.program.doctor.limits import NETWORK_SECONDS

__all__ = ["Looked", "look", "resolver_of", "unanswered", "unanswered_advice"]

_NOTHING = Answer()


@dataclass(frozen=True, slots=True)
class Looked:
    """The records of a name, none if there are none; `trouble` says why the DNS did not answer."""

    name: str
    answer: Answer = _NOTHING
    trouble: str = ""

    @property
    def texts(self) -> list[str]:
        return [text.decode("utf-8", "replace") for text in self.answer.texts]


def resolver_of(settings: Settings, clock: Clock) -> Resolver:
    return Resolver(settings.dns_server or None, clock, timeout=NETWORK_SECONDS)


async def look(resolver: Resolver, name: str, rdtype: RecordType) -> Looked:
    try:
        return Looked(name, await resolver.lookup(name, rdtype, fresh=True))
    except TemporaryFailure as problem:
        return Looked(name, trouble=str(problem))
    except DnsFailure:
        return Looked(name)


def unanswered(id: str, looked: Looked, target: str) -> Finding:
    return fail(
        id,
        "dns_lookup_failed",
        quoted(looked.trouble.removeprefix(f"{target} ")),
        "try again; if it stays, see that this machine reaches a DNS server (E2A_DNS_SERVER)",
        cause=Cause.TRANSIENT,
        target=target,
    )


def unanswered_advice(id: str, looked: Looked, target: str) -> Finding:
    """As `unanswered`, for a record that nothing depends on."""
    failed = unanswered(id, looked, target)
    return warn(id, failed.reason_code, failed.detail, failed.fix, target=target)
