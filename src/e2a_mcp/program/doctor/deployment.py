"""A deployment's HTTP side from outside: it answers as e2a does, and what time it has."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from e2a_mcp.program.doctor.finding import Cause, Finding, fail, passed, quoted
from e2a_mcp.program.doctor.limits import NETWORK_SECONDS

__all__ = ["Reached", "check_reachability", "date_of", "http_client", "is_http_url"]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"})
TRANSIENT_STATUSES = frozenset({408, 429})
ANSWER_OCTETS = 64 * 1024


class Reached(NamedTuple):
    """The finding, and the time that the deployment gave."""

    finding: Finding
    date: datetime | None = None


def http_client(url: str) -> httpx.AsyncClient:
    """A client for `url`. What is on this machine is not asked for by way of a proxy."""
    return httpx.AsyncClient(timeout=NETWORK_SECONDS, trust_env=urlsplit(url).hostname not in LOOPBACK)


async def check_reachability(url: str, shared_domain: str | None = None) -> Reached:
    """Asks `/v1/info`, which needs no credential; with `shared_domain` the answer has to be of that deployment."""
    id = "api.reachability"
    if not is_http_url(url):
        fix = "set E2A_API_URL to the https:// URL of the deployment"
        return Reached(fail(id, "invalid_deployment_url", "is no URL of a deployment", fix, target=url))
    try:
        async with asyncio.timeout(NETWORK_SECONDS), http_client(url) as client:
            answer = await client.get(f"{url}/v1/info")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as problem:
        detail = f"cannot be reached: {quoted(str(problem) or type(problem).__name__)}"
        fix = "see that the URL is right and that the deployment runs"
        return Reached(fail(id, "connection_failed", detail, fix, cause=Cause.TRANSIENT, target=url))
    return Reached(_judged(url, answer, shared_domain), date_of(answer))


def _judged(url: str, answer: httpx.Response, shared_domain: str | None) -> Finding:
    id, status = "api.reachability", answer.status_code
    if status >= 500 or status in TRANSIENT_STATUSES:
        detail = f"/v1/info answers {status}"
        return fail(id, "http_error", detail, "try again later", cause=Cause.TRANSIENT, target=url)
    if status != 200:
        fix = "correct the URL: it is that of the deployment, without /v1"
        return fail(id, "http_error", f"/v1/info answers {status}", fix, target=url)
    try:
        info = answer.json() if len(answer.content) <= ANSWER_OCTETS else None
    except ValueError:
        info = None
    if not isinstance(info, dict) or not isinstance(info.get("shared_domain"), str):
        fix = "correct the URL: something other than e2a answers there"
        return fail(id, "unexpected_response", "/v1/info is not what e2a answers", fix, target=url)
    shared = quoted(info["shared_domain"])
    if shared_domain is not None and info["shared_domain"] != shared_domain:
        fix = "correct E2A_PUBLIC_URL, or what the web server there leads to"
        detail = f"another deployment answers there, for {shared or 'no domain'}"
        return fail(id, "unexpected_response", detail, fix, target=url)
    return passed(id, f"answers for {shared}" if shared else "answers", target=url)


def is_http_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def date_of(answer: httpx.Response) -> datetime | None:
    """The `Date` of an answer (RFC 9110 section 6.6.1)."""
    try:
        date = parsedate_to_datetime(answer.headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
