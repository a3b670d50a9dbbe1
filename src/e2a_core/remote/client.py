"""One deployment's `/v1` API: requests with a deadline, typed errors, and no waiting behind one's back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel

from e2a_core.clock import Clock
from e2a_core.contract.base import View, request_json
from e2a_core.contract.operation import ANSWER_SECONDS, SLOW_ANSWER_SECONDS
from e2a_core.errors import E2AError, NotImplementedHere, Unauthorized, Unavailable
from e2a_core.remote.answers import envelope, error_of, read
from e2a_core.remote.bounded import MAX_ANSWER_OCTETS, MAX_SLOW_ANSWER_OCTETS, received
from e2a_core.remote.description import Description, Taken
from e2a_core.remote.requests import header_value, parameters

__all__ = ["ApiClient", "Deployment"]

CONNECT_SECONDS = 5.0

MAX_CONNECTIONS = 20
USER_AGENT = "e2a-mcp"
_REPEATABLE = frozenset({"GET", "PUT", "PATCH", "DELETE"})
# What a connection shows that the other side closed while nobody used it.
_DEAD = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
# Of a request that fails like this the deployment never heard.
_UNHEARD = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

Model = TypeVar("Model", bound=View)


class Deployment:
    """Where it is, and the connections to it that all credentials share."""

    def __init__(self, base_url: str, clock: Clock) -> None:
        limits = httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS)
        self.base_url = base_url
        self.clock = clock
        # What one operation may take as a whole is bounded where it is called.
        timeout = httpx.Timeout(None, connect=CONNECT_SECONDS)
        self.http = httpx.AsyncClient(
            limits=limits, timeout=timeout, headers={"User-Agent": USER_AGENT}, follow_redirects=False
        )
        self.description = Description(self.http, base_url, clock)

    async def close(self) -> None:
        await self.http.aclose()


class ApiClient:
    """Requests with one credential; without one for what anybody may ask.

    `setting` is where the credential was set, so that a refusal can say what to mend.
    """

    def __init__(self, deployment: Deployment, credential: str | None, *, setting: str = "") -> None:
        self._deployment = deployment
        self._setting = setting
        self._headers = {}
        if credential is not None:
            self._headers["Authorization"] = f"Bearer {header_value('authorization', credential)}"

    async def call(
        self,
        model: type[Model],
        method: str,
        url: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: BaseModel | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        tagged: bool = False,
        deadline: float = ANSWER_SECONDS,
    ) -> Model:
        """The answer as `model`; members it does not know are kept. `tagged` adds its entity tag as `etag`.

        `repeatable` tells whether doing it twice is as doing it once, where the method does not. Raises the
        deployment's own error with its code, status, request id and retry hint, `NotImplementedHere` for an operation
        it does not offer, and `Unavailable` when it cannot be reached or does not answer within `deadline` seconds.
        """
        given = {name: header_value(name, value) for name, value in (headers or {}).items()}
        sent = {**self._headers, **given}
        content = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            content = request_json(body)
        request = self._deployment.http.build_request(
            method,
            self._deployment.base_url + url,
            params=parameters(query),
            content=content,
            headers=sent,
        )
        if repeatable is None:
            repeatable = "Idempotency-Key" in given or (method in _REPEATABLE and "If-Match" not in given)
        response = await self._send(request, repeatable=repeatable, deadline=deadline)
        if not response.is_success:
            raise await self._error(response, method, url)
        found = read(model, response)
        if tagged and "etag" in response.headers:
            return found.model_copy(update={"etag": response.headers["etag"]})
        return found

    async def takes(self, method: str, template: str, parameter: str) -> bool:
        """Whether an operation of the deployment takes this query parameter, by its own description."""
        return await self._deployment.description.has_parameter(method, template, parameter)

    async def taken(self, method: str, template: str) -> Taken | None:
        """What an operation of the deployment takes, by its own description; None if it does not say."""
        return await self._deployment.description.taken(method, template)

    async def download(self, url: str) -> bytes:
        """The bytes behind a signed URL of the deployment, which needs no credential.

        Raises `Unavailable` for any other address: what a deployment answers must not make this process ask others.
        """
        try:
            base = httpx.URL(self._deployment.base_url)
            given = base.join(url)
        except httpx.InvalidURL:
            raise Unavailable("the deployment gave a download address that is none") from None
        if _origin(given) != _origin(base):
            raise Unavailable(
                f"the deployment gave a download address that is not its own, but of {given.host or 'no host'}; "
                "the address it is reached at must be its public URL"
            )
        request = self._deployment.http.build_request("GET", given)
        response = await self._send(request, repeatable=True, deadline=SLOW_ANSWER_SECONDS)
        if not response.is_success:
            raise error_of(response, envelope(response), self._deployment.clock.now())
        return response.content

    async def _send(self, request: httpx.Request, *, repeatable: bool, deadline: float) -> httpx.Response:
        """A connection that turns out to be dead costs one repetition, if repeating is safe."""
        where = self._deployment.base_url
        limit = MAX_ANSWER_OCTETS if deadline <= ANSWER_SECONDS else MAX_SLOW_ANSWER_OCTETS
        try:
            async with asyncio.timeout(deadline):
                try:
                    return await received(self._deployment.http, request, limit)
                except _DEAD:
                    if not repeatable:
                        raise
                    return await received(self._deployment.http, request, limit)
        except TimeoutError:
            raise _lost(f"{where} did not answer within {deadline:g} s", repeatable) from None
        except _UNHEARD as problem:
            raise Unavailable(f"{where} cannot be reached: {_said(problem)}") from None
        except httpx.HTTPError as problem:
            raise _lost(f"{where} broke off: {_said(problem)}", repeatable) from None

    async def _error(self, response: httpx.Response, method: str, url: str) -> E2AError:
        error = envelope(response)
        status = response.status_code
        missing = status == 405 or (error is None and status in {404, 501})
        if status == 404 and error is not None:
            missing = not await self._deployment.description.has_operation(method, url)
        if not missing:
            return self._explained(error_of(response, error, self._deployment.clock.now()))
        lacking = NotImplementedHere(
            f"{self._deployment.base_url} does not offer {method} {url}: it answered {status}, and an older or newer "
            "deployment may lack an operation"
        )
        lacking.request_id = response.headers.get("x-request-id")
        return lacking

    def _explained(self, problem: E2AError) -> E2AError:
        """The error, which for a credential that is refused names the setting to mend."""
        if not isinstance(problem, Unauthorized) or not self._setting:
            return problem
        explained = Unauthorized(
            f"{self._deployment.base_url} refused the key ({problem.message}): "
            f"set {self._setting} to a valid key of that deployment"
        )
        explained.code, explained.request_id = problem.code, problem.request_id
        return explained


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port (RFC 6454 section 4)."""
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _lost(what: str, repeatable: bool) -> Unavailable:
    """A request of which nobody knows whether it was carried out."""
    if repeatable:
        return Unavailable(what)
    problem = Unavailable(f"{what}; it may have been done all the same: look before doing it again")
    problem.retryable = False
    return problem


def _said(problem: Exception) -> str:
    return str(problem) or type(problem).__name__
