"""DNS resolver for the evaluators: asynchronous and cached, with typed failures; concurrent lookups share a query.

`Resolver.lookup` queries DNS; `Resolver.cached` only reads the cache, without awaiting, so a recently seen sender is
authenticated without delay.
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
"""Time for one lookup including retries, so that a broken zone does not hold up the SMTP session."""
ATTEMPT_TIMEOUT_SECONDS = 0.8
"""Time for one attempt, so that a lost datagram is retried within the lookup."""
MAX_POSITIVE_TTL_SECONDS = 300.0
"""Caps the zone's TTL, so that policy changes take effect within five minutes."""
MAX_NEGATIVE_TTL_SECONDS = 60.0
"""Short, so that a newly published record is seen soon."""
MAX_CACHED_ANSWERS = 8192
"""Bounds the cache, since senders choose the names to look up."""
MAX_CACHED_ANSWER_OCTETS = 4096
"""Larger answers are not cached; together with `MAX_CACHED_ANSWERS` this bounds the memory of the cache."""
MAX_RECORDS = 256
"""Records of one type read from an answer; ordinary names have far fewer."""
EDNS_PAYLOAD_OCTETS = 1232
"""The datagram size that avoids fragmentation (DNS Flag Day 2020)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The records of one name and type; the members for other types are empty."""

    addresses: tuple[str, ...] = ()
    """A or AAAA addresses in text form."""
    names: tuple[str, ...] = ()
    """PTR targets without the final dot."""
    exchanges: tuple[tuple[int, str], ...] = ()
    """MX records as (preference, host); the host of a null MX (RFC 7505) is empty."""
    texts: tuple[bytes, ...] = ()
    """TXT records, with the strings of each record joined."""


class DnsFailure(Exception):
    """The lookup returned no records; the text gives the reason, for diagnostics."""


class Void(DnsFailure):
    """The authoritative answer that there are no records: a void lookup (RFC 7208, section 4.6.4)."""


class NameNotFound(Void):
    """NXDOMAIN: neither this name nor anything below it exists (RFC 8020)."""


class NoData(Void):
    """The name exists but has no record of the type."""


class TemporaryFailure(DnsFailure):
    """No usable answer arrived in time; a later attempt may succeed."""


class PermanentFailure(DnsFailure):
    """The lookup can never succeed: the name is malformed or its alias chain is endless."""


class Lookup(Protocol):
    """The part of a resolver that the evaluators need."""

    def cached(self, name: str, rdtype: RecordType) -> Answer | None:
        """The cached answer; None if it is not cached. Raises a cached `DnsFailure`."""

    async def lookup(self, name: str, rdtype: RecordType) -> Answer:
        """The answer, from the cache or from DNS. Raises `DnsFailure`."""


_Key: TypeAlias = tuple[str, RecordType]
_Outcome: TypeAlias = Answer | DnsFailure


class Resolver:
    """Queries `server` ("address:port", or None for the system's resolvers) and caches the answers.

    Caches positive and negative answers for their TTL, up to a cap, but not temporary failures. A full cache drops
    the least recently used answer. Use one instance per event loop.
    """

    def __init__(self, server: str | None, clock: Clock, *, timeout: float = LOOKUP_TIMEOUT_SECONDS) -> None:
        """Raises ValueError if `server` is not an IP address and a port."""
        self._clock = clock
        self._timeout = timeout
        # The system's configuration is read on first use: it may not exist, and is not needed if `server` is set.
        self._stub = _stub_resolver(server, timeout) if server else None
        self._cache: OrderedDict[_Key, tuple[float, _Outcome]] = OrderedDict()
        self._in_flight: dict[_Key, asyncio.Task[_Outcome]] = {}

    def cached(self, name: str, rdtype: RecordType) -> Answer | None:
        """The cached answer; None if it is not cached. Raises a cached `Void` or `PermanentFailure`."""
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
        """The records of `name` (lower case, no final dot); concurrent calls for the same records share one query.

        `fresh` bypasses the cache, for an owner who has just published a record. Raises `NameNotFound`, `NoData`,
        `TemporaryFailure` or `PermanentFailure`.
        """
        if not fresh and (known := self.cached(name, rdtype)) is not None:
            return known
        key = (name, rdtype)
        query = self._in_flight.get(key)
        if query is None:
            query = asyncio.get_running_loop().create_task(self._ask(key))
            self._in_flight[key] = query
            query.add_done_callback(lambda _: self._in_flight.pop(key, None))
        # Shielded, so that a caller that is cancelled does not cancel the query for the others.
        return _unwrap(await asyncio.shield(query))

    async def aclose(self) -> None:
        """Cancel the queries in progress."""
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
        """The outcome, and the number of seconds for which it may be cached."""
        try:
            # Built from labels, since SPF macros can produce names with backslashes or spaces.
            qname = dns.name.Name([label.encode() for label in name.split(".")] + [b""])
        except (dns.exception.DNSException, UnicodeError) as error:
            return PermanentFailure(f"{name}: {error}"), MAX_NEGATIVE_TTL_SECONDS
        try:
            if self._stub is None:
                self._stub = _stub_resolver(None, self._timeout)
            # The library's own timeout does not include its pauses between attempts.
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
    """A `Lookup` with a deadline, after which lookups that are not cached raise `TemporaryFailure`.

    `deadline` is an instant of `clock.monotonic()`. Queries in progress continue and fill the cache.
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
    """The answer is not cached. Not an `Exception`, so that evaluators do not handle it as a DNS failure."""


class CachedLookup:
    """A `Lookup` that reads only the cache and raises `NotCached` for anything else."""

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
    # A copy, since the cached exception would accumulate tracebacks.
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
