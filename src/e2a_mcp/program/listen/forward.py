"""Posts events as a webhook would: the envelope in its octets, signed with the secret of the program."""

from __future__ import annotations

import asyncio

import httpx

from e2a_core.clock import Clock
from e2a_core.signing.webhook import SIGNATURE_HEADER, e2a_signature, standard_webhook_headers
from e2a_mcp.program.listen.delivery import NotTaken
from e2a_mcp.program.listen.source import Event
from e2a_mcp.program.output import note

__all__ = ["Forwarder", "posted"]

TIMEOUT_SECONDS = 30.0


class Forwarder:
    """Posts each event to `url`; any 2xx takes it."""

    def __init__(self, http: httpx.AsyncClient, url: str, secret: str, *, clock: Clock) -> None:
        self._http = http
        self._url = url
        self._secret = secret
        self._clock = clock

    async def attempt(self, event: Event) -> None:
        """Raises `NotTaken`."""
        timestamp = int(self._clock.now().timestamp())
        headers = {
            "Content-Type": "application/json",
            "X-E2A-Event-Type": event.type,
            "X-E2A-Schema-Version": str(event.envelope.get("schema_version", "1")),
            SIGNATURE_HEADER: e2a_signature(event.body, [self._secret], timestamp),
            **standard_webhook_headers(event.id, event.body, [self._secret], timestamp),
        }
        await posted(self._http, self._url, event.body, headers, seconds=TIMEOUT_SECONDS)
        note(f"{event.id} was taken")


async def posted(
    http: httpx.AsyncClient,
    url: str,
    body: bytes,
    headers: dict[str, str],
    *,
    seconds: float,
    read_octets: int = 0,
) -> bytes:
    """The beginning of the answer to one request, `read_octets` at most. Raises `NotTaken` for all but a 2xx.

    The answer is read as it travels and asked for without compression (RFC 9110 section 12.5.3): a few octets could
    unpack to more than this machine holds.
    """
    asked = {**headers, "Accept-Encoding": "identity"}
    try:
        async with (
            asyncio.timeout(seconds),
            http.stream("POST", url, content=body, headers=asked, timeout=None) as response,
        ):
            if not response.is_success:
                raise NotTaken(f"HTTP {response.status_code}")
            read = bytearray()
            async for chunk in response.aiter_raw():
                read += chunk
                if len(read) > read_octets:
                    break
            return bytes(read[:read_octets])
    except (TimeoutError, httpx.TimeoutException):
        raise NotTaken(f"no answer within {seconds:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise NotTaken(str(error) or type(error).__name__) from None
