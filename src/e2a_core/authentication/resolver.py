"""DNS for the evaluators: asynchronous, cached, one query at a time per question, failures typed.

A cached answer costs one dictionary look-up and no trip through the event loop, so a sender seen a minute ago is
authenticated without waiting. `Resolver.lookup` asks; `Resolver.cached` only looks.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.rdatatype
import dns.resolver

from e2a_core.clock import Clock

__all__ = [
    "Answer",
    "CachedLookup",
    "DeadlineLookup",
    "DnsFailure",
    "Lookup",
    "NameNotFound",
    "NoData",
    "NotCached",
    "PermanentFailure",
    "RecordType",
    "Resolver",
    "TemporaryFailure",
    "Void",
]

RecordType: TypeAlias = Literal["A", "AAAA", "MX", "PTR", "TXT"]

LOOKUP_TIMEOUT_SECONDS = 2.0
"""One question may take this long, retries included; a sender's broken zone must not hold the SMTP session."""
ATTEMPT_TIMEOUT_SECONDS = 0.8
"""One datagram is waited for this long, so that a lost one is asked again within the lookup's time."""
MAX_POSITIVE_TTL_SECONDS = 300.0
"""Policy changes must be seen within five minutes, whatever the zone's TTL says."""
MAX_NEGATIVE_TTL_SECONDS = 60.0
"""Short, because whoever has just published a record is waiting for us to see it."""
MAX_CACHED_ANSWERS = 8192
"""A sender chooses the names we ask for, so the cache must not grow with them."""
MAX_CACHED_ANSWER_OCTETS = 4096
"""Larger ones are used once and forgotten; with the number of answers this bounds the memory of the cache."""
MAX_RECORDS = 256
"""More records of one type than any honest name has; the rest of the answer is left unread."""
EDNS_PAYLOAD_OCTETS = 1232
"""The datagram size that avoids fragmentation (DNS Flag Day 2020)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The records of one name and type; the member for the other types is empty."""

    addresses: tuple[str, ...] = ()
    """A or AAAA, in text form."""
    names: tuple[str, ...] = ()
    """PTR targets without the final dot."""
    exchanges: tuple[tuple[int, str], ...] = ()
    """MX as (preference, host); the host of a null MX (RFC 7505) is empty."""
    texts: tuple[bytes, ...] = ()
    """TXT, the strings of each record joined."""


class DnsFailure(Exception):
    """A question that brought no records; the text says why, for diagnostics."""


class Void(DnsFailure):
    """The authoritative answer that there is nothing; what RFC 7208, section 4.6.4 calls a void lookup."""


class NameNotFound(Void):
    """NXDOMAIN: neither this name nor anything below it exists (RFC 8020)."""


class NoData(Void):
    """The name exists and has no record of the type."""


class TemporaryFailure(DnsFailure):
    """No usable answer came in time; asking later may help."""


class PermanentFailure(DnsFailure):
    """The question cannot be asked or can never be answered: a malformed name or an endless alias chain."""


class Lookup(Protocol):
    """What an evaluator needs of a resolver."""

    def cached(self, name: str, rdtype: RecordType) -> Answer | None:
        """The answer if it is known; a known failure is raised; None when it would have to be asked for."""

    async def lookup(self, name: str, rdtype: RecordType) -> Answer:
        """The answer, asked for when not known. Raises a `DnsFailure`."""


_Key: TypeAlias = tuple[str, RecordType]
_Outcome: TypeAlias = Answer | DnsFailure


class Resolver:
    """Asks `server` ("address:port"; None means the system's resolvers) and remembers what it said.

    Positive and negative answers are kept for their TTL, capped; temporary failures never are. The cache drops
    the least recently used answers. Use one instance per event loop.
    """

    def __init__(self, server: str | None, clock: Clock, *, timeout: float = LOOKUP_TIMEOUT_SECONDS) -> None:
        """Raises ValueError when `server` is not an IP address and a port."""
        self._clock = clock
        self._timeout = timeout
        # The system's configuration is read when first needed; it may not exist where a server is always given.
        self._stub = _stub_resolver(server, timeout) if server else None
        self._cache: OrderedDict[_Key, tuple[float, _Outcome]] = OrderedDict()
        self._in_flight: dict[_Key, asyncio.Task[_Outcome]] = {}

    def cached(self, name: str, rdtype: RecordType) -> Answer | None:
        """The answer if it is known; a known `Void` or `PermanentFailure` is raised; None when unknown."""
        key = (name, rdtype)
        entry = self._cache.get(key)
        if entry is None:
            return None
        expires, outcome = entry
        if expires <= self._clock.monotonic():
            del self._cache[key]
            return None
        self._cache.move_to_end(key)
        return _unwrap(outcome)

    async def lookup(self, name: str, rdtype: RecordType, *, fresh: bool = False) -> Answer:
        """The records of `name` (lower case, no final dot); concurrent calls for one question share one query.

        `fresh` asks even when an answer is cached, for an owner who has just published a record.
        Raises `NameNotFound`, `NoData`, `TemporaryFailure` or `PermanentFailure`.
        """
        if not fresh and (known := self.cached(name, rdtype)) is not None:
            return known
        key = (name, rdtype)
        query = self._in_flight.get(key)
        if query is None:
            query = asyncio.get_running_loop().create_task(self._ask(key))
            self._in_flight[key] = query
            query.add_done_callback(lambda _: self._in_flight.pop(key, None))
        # Shielded: the caller who gives up must not take the answer from the others.
        return _unwrap(await asyncio.shield(query))

    async def aclose(self) -> None:
        """Abandon the queries under way."""
        queries = list(self._in_flight.values())
        for query in queries:
            query.cancel()
        await asyncio.gather(*queries, return_exceptions=True)

    async def _ask(self, key: _Key) -> _Outcome:
        outcome, ttl = await self._query(*key)
        if ttl > 0:
            self._cache[key] = (self._clock.monotonic() + ttl, outcome)
            self._cache.move_to_end(key)
            while len(self._cache) > MAX_CACHED_ANSWERS:
                self._cache.popitem(last=False)
        return outcome

    async def _query(self, name: str, rdtype: RecordType) -> tuple[_Outcome, float]:
        """The outcome and the seconds it may be kept."""
        try:
            # From labels, not from text: a macro of SPF may put a backslash or a space into a name.
            qname = dns.name.Name([label.encode() for label in name.split(".")] + [b""])
        except (dns.exception.DNSException, UnicodeError) as error:
            return PermanentFailure(f"{name}: {error}"), MAX_NEGATIVE_TTL_SECONDS
        try:
            if self._stub is None:
                self._stub = _stub_resolver(None, self._timeout)
            # The library's own limit does not count its pauses between attempts.
            async with asyncio.timeout(self._timeout):
                found = await self._stub.resolve(qname, rdtype, search=False, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN as error:
            ttl = error.response(qname).resolve_chaining().minimum_ttl  # type: ignore[no-untyped-call]
            return NameNotFound(f"{name} does not exist"), min(ttl, MAX_NEGATIVE_TTL_SECONDS)
        except dns.resolver.NoNameservers as error:
            if any(isinstance(cause[3], dns.message.ChainTooLong) for cause in error.kwargs["errors"]):
                return PermanentFailure(f"{name}: endless alias chain"), MAX_NEGATIVE_TTL_SECONDS
            return TemporaryFailure(f"{name} {rdtype}: no server could answer"), 0
        except (dns.exception.DNSException, OSError, EOFError) as error:
            return TemporaryFailure(f"{name} {rdtype}: not answered ({type(error).__name__})"), 0
        ttl = found.chaining_result.minimum_ttl
        if found.rrset is None:
            return NoData(f"{name} has no {rdtype} record"), min(ttl, MAX_NEGATIVE_TTL_SECONDS)
        answer = _answer(found)
        return answer, min(ttl, MAX_POSITIVE_TTL_SECONDS) if _is_small(answer) else 0


class DeadlineLookup:
    """A `Lookup` that stops waiting at an instant: afterwards whatever is not cached is a `TemporaryFailure`.

    `deadline` is an instant of `clock.monotonic()`. Queries under way go on and fill the cache for the next message.
    """

    def __init__(self, resolver: Lookup, clock: Clock, deadline: float) -> None:
        self._resolver = resolver
        self._clock = clock
        self._deadline = deadline

    def cached(self, name: str, rdtype: RecordType) -> Answer | None:
        return self._resolver.cached(name, rdtype)

    async def lookup(self, name: str, rdtype: RecordType) -> Answer:
        if (known := self._resolver.cached(name, rdtype)) is not None:
            return known
        remaining = self._deadline - self._clock.monotonic()
        try:
            return await asyncio.wait_for(self._resolver.lookup(name, rdtype), max(remaining, 0))
        except TimeoutError:
            raise TemporaryFailure(f"{name} {rdtype}: not answered before the deadline") from None


class NotCached(BaseException):
    """An answer would have to be waited for. Not an `Exception`, so that nothing takes it for a DNS failure."""


class CachedLookup:
    """A `Lookup` of what is known already; anything else raises `NotCached`."""

    def __init__(self, resolver: Lookup) -> None:
        self._resolver = resolver

    def cached(self, name: str, rdtype: RecordType) -> Answer | None:
        return self._resolver.cached(name, rdtype)

    async def lookup(self, name: str, rdtype: RecordType) -> Answer:
        if (known := self._resolver.cached(name, rdtype)) is not None:
            return known
        raise NotCached


def _unwrap(outcome: _Outcome) -> Answer:
    if isinstance(outcome, Answer):
        return outcome
    # A copy: the cached one would collect the traceback and context of everybody it is raised for.
    raise type(outcome)(*outcome.args)


def _stub_resolver(server: str | None, timeout: float) -> dns.asyncresolver.Resolver:
    stub = dns.asyncresolver.Resolver(configure=server is None)
    if server is not None:
        host, _, port = server.rpartition(":")
        stub.nameservers = [host.strip("[]")]
        stub.port = int(port)
    stub.timeout = min(ATTEMPT_TIMEOUT_SECONDS, timeout)
    stub.lifetime = timeout
    stub.use_edns(0, 0, EDNS_PAYLOAD_OCTETS)
    return stub


def _is_small(answer: Answer) -> bool:
    texts = (*answer.addresses, *answer.names, *answer.texts, *(host for _, host in answer.exchanges))
    return sum(map(len, texts)) <= MAX_CACHED_ANSWER_OCTETS


def _answer(found: dns.resolver.Answer) -> Answer:
    records = list(found.rrset or ())[:MAX_RECORDS]
    match found.rdtype:
        case dns.rdatatype.A | dns.rdatatype.AAAA:
            return Answer(addresses=tuple(record.address for record in records))
        case dns.rdatatype.PTR:
            return Answer(names=tuple(record.target.to_text(omit_final_dot=True) for record in records))
        case dns.rdatatype.MX:
            return Answer(
                exchanges=tuple(
                    (record.preference, record.exchange.to_text(omit_final_dot=True).removesuffix("."))
                    for record in records
                )
            )
        case _:
            return Answer(texts=tuple(b"".join(record.strings) for record in records))
