"""Posting to callbacks that others chose: never to an address that is not public, and never for long.

The host is resolved for every connection, and the connection goes to the address that was checked, so a name that
resolves to something else a moment later gains nothing. Redirects are not followed, and little of an answer is read.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Self

import httpx

from e2a_core.core import Core
from e2a_core.instants import retry_after
from e2a_core.push.targets import BadTarget, Target, UnreachableTarget, addresses_of, parse_target

__all__ = ["ANSWER_OCTETS", "Answer", "Endpoint", "Poster"]

TIMEOUT_SECONDS = 15.0
"""For one attempt in total: name, connection, request and answer."""

ANSWER_OCTETS = 64 * 1024
"""Read of an answer, which matters only to a challenge; more is left unread with the connection."""

USER_AGENT = "e2a-webhooks/1"

BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
"""Statuses whose `Retry-After` asks the sender to wait (RFC 6585 section 4, RFC 9110 section 15.6.4)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request.

    `status` is the HTTP status, or None if none came; `error` says why the attempt failed, and is None for any 2xx.
    `reason` is a word for it: connection_refused, timeout, tls_error, http_3xx, http_4xx, http_5xx, refused_address.
    `retry_after` is how long a busy receiver asks to be left alone.
    """

    status: int | None
    body: bytes = b""
    error: str | None = None
    reason: str | None = None
    retry_after: timedelta | None = None

    @property
    def ok(self) -> bool:
        return self.error is None

    @property
    def outcome(self) -> str:
        """`ok` or the reason."""
        return self.reason or "ok"


class Poster:
    """Makes endpoints. One TLS context serves them all, because reading the certificates is slow.

    `tls` replaces the context that trusts the public authorities, `seconds` the time for one attempt.
    """

    def __init__(
        self, core: Core, *, tls: ssl.SSLContext | None = None, seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._core = core
        self._tls = tls
        self._seconds = seconds

    @property
    def allow_loopback(self) -> bool:
        return self._core.settings.push_allow_loopback

    def target(self, url: str) -> Target:
        """Raises `BadTarget` for a URL that may not be called."""
        return parse_target(
            url, production=self._core.settings.production, allow_loopback=self.allow_loopback
        )

    async def check(self, target: Target) -> None:
        """Raises `UnreachableTarget` unless the host resolves to public addresses now."""
        await addresses_of(self._core, target, allow_loopback=self.allow_loopback)

    def endpoint(self, url: str) -> Endpoint:
        """A callback to post to, as `async with poster.endpoint(url) as endpoint`."""
        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)
        return Endpoint(self._core, self, url, self._tls, self._seconds)


class Endpoint:
    """One callback for some requests, which may share connections; an async context manager."""

    def __init__(self, core: Core, poster: Poster, url: str, tls: ssl.SSLContext, seconds: float) -> None:
        self._core = core
        self._seconds = seconds
        self._poster = poster
        self._url = url
        self._client = httpx.AsyncClient(
            verify=tls,
            trust_env=False,
            follow_redirects=False,
            timeout=seconds,
            event_hooks={"response": [_forget_location]},
            headers={"User-Agent": USER_AGENT, "Content-Type": "application/json"},
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Posts once. Never raises for what the other side does; a redirect is a failure."""
        return await self._asked("POST", body, headers)

    async def get(self, headers: Mapping[str, str]) -> Answer:
        """Asks once, as `post`."""
        return await self._asked("GET", None, headers)

    async def _asked(self, method: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        late = Answer(None, error=f"no answer within {self._seconds:g} s", reason="timeout")
        try:
            async with asyncio.timeout(self._seconds):
                return await self._sent(method, body, headers)
        except (TimeoutError, httpx.TimeoutException):
            return late
        except (BadTarget, UnreachableTarget) as refused:
            return Answer(None, error=str(refused), reason="refused_address")
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, UnicodeError) as problem:
            return _failed(problem)

    async def _sent(self, method: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        target = self._poster.target(self._url)
        [address, *_] = await addresses_of(self._core, target, allow_loopback=self._poster.allow_loopback)
        url = httpx.URL(target.url)
        request = self._client.build_request(
            method,
            url.copy_with(host=address),
            content=body,
            headers={**headers, "Host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": target.host},
        )
        response = await self._client.send(request, stream=True)
        try:
            answer = _judged(response.status_code, await _beginning(response))
            if response.status_code not in BUSY:
                return answer
            wait = retry_after(response.headers.get("Retry-After", ""), self._core.clock.now())
            return replace(answer, retry_after=wait)
        finally:
            await response.aclose()


async def _forget_location(response: httpx.Response) -> None:
    """Keeps httpx from reading where a redirect leads: it is not followed, and some of what is no URL raises there."""
    response.headers.pop("Location", None)


async def _beginning(response: httpx.Response) -> bytes:
    """The first octets of the answer, decompressed by nobody."""
    read = b""
    async for chunk in response.aiter_raw():
        read += chunk
        if len(read) >= ANSWER_OCTETS:
            break
    return read[:ANSWER_OCTETS]


def _judged(status: int, body: bytes) -> Answer:
    if 200 <= status < 300:
        return Answer(status, body)
    # A status that there is not counts as one of 5xx (RFC 9110 section 15).
    return Answer(status, body, f"HTTP {status}", f"http_{min(status // 100, 5)}xx")


def _failed(problem: Exception) -> Answer:
    """Says what failed without the words of the other side, which could be anything."""
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return Answer(None, error="the TLS handshake failed", reason="tls_error")
        cause = cause.__cause__ or cause.__context__
    if isinstance(problem, httpx.ConnectError):
        return Answer(None, error="the connection was refused", reason="connection_refused")
    return Answer(None, error="the connection ended without an answer", reason="connection_refused")
