"""Signing in at an issuer of OpenID Connect, by strangers who are known, by who is invited, and to connect it."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from e2a_core.accounts.credentials import hash_key
from e2a_core.core import Core
from e2a_core.errors import Conflict, E2AError, Forbidden, MethodNotAllowed, NotFound
from e2a_core.http.limits import Budget, RequestLimits, client_address
from e2a_core.http.pages.guards import (
    ATTEMPT_COOKIE,
    clear_cookie,
    cookie_of,
    local_path,
    read_form,
    require_own_site,
    set_cookie,
)
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.sign_in import SIGN_IN, SignIn, issuer_name, refused_link, sign_in_page
from e2a_core.http.pages.visit import HEADERS, Visit, html
from e2a_core.people.failures import Known
from e2a_core.people.identities import Identities
from e2a_core.people.links import LinkExpired, LinkUnknown, LinkUsed, open_link
from e2a_core.people.openid.flow import CALLBACK, OpenId, Taken
from e2a_core.people.openid.id_token import Claims
from e2a_core.people.openid.issuer import Issuer
from e2a_core.people.sessions import find_session

__all__ = ["AtIssuer"]

RETURN = Budget("sign_in_return", 20, 60, told=False)
"""Each costs the issuer two requests."""
SETTINGS = "/settings/sign-in"


class AtIssuer:
    """The way to the issuer and back. Nothing is offered if the settings name none."""

    def __init__(self, core: Core, sign_in: SignIn) -> None:
        self._core = core
        self._sign_in = sign_in
        self._openid = OpenId(core, Issuer(core))
        self._identities = Identities(core)

    def routes(self) -> list[Route]:
        return [
            Route("/sign-in/openid", self.leave, methods=["POST"]),
            Route(CALLBACK, self.come_back, methods=["GET"]),
        ]

    def pages(self) -> tuple[Page, ...]:
        return (Page("POST", f"{SETTINGS}/identities", self.connect),)

    async def leave(self, request: Request) -> Response:
        """Leads to the issuer; with a link in the form, its person is who comes back."""
        request.scope["e2a.operation"] = "page"
        limits: RequestLimits = request.app.state.limits
        follow = "/"
        try:
            require_own_site(request, self._core.links.base_url)
            limits.spend(request, SIGN_IN, client_address(request))
            form = await read_form(request)
            follow = local_path(form.text("next", "/"))
            details = {"next": follow}
            if "t" in form:
                await open_link(self._core, form.text("t"))
                details["link"] = hash_key(form.text("t"))
            return await self._go(details)
        except (LinkUnknown, LinkUsed, LinkExpired) as problem:
            await self._sign_in.failed.by_link(
                hash_key(form.text("t")), problem.code, client_address(request)
            )
            return refused_link(self._core, problem, follow)
        except E2AError as problem:
            return sign_in_page(self._core, problem.status, follow, problem.message)

    async def connect(self, visit: Visit) -> Response:
        """Leads somebody who is signed in to the issuer, to be known by it from then on."""
        return await self._go({"next": SETTINGS, "session": visit.who.id}, visit.who.person.id)

    async def come_back(self, request: Request) -> Response:
        """Ends what a form began, which the cookie and `state` prove; a HEAD ends nothing."""
        request.scope["e2a.operation"] = "page"
        limits: RequestLimits = request.app.state.limits
        try:
            if request.method != "GET":
                raise MethodNotAllowed("this path has no such method")
            self._require_offered()
            limits.spend(request, RETURN, client_address(request))
            token = cookie_of(request, self._core, ATTEMPT_COOKIE)
            response = await self._finished(request, token)
        except (LinkUnknown, LinkUsed, LinkExpired) as problem:
            return refused_link(self._core, problem, "/")
        except E2AError as problem:
            return sign_in_page(self._core, problem.status, "/", problem.message)
        clear_cookie(response, self._core, ATTEMPT_COOKIE)
        return response

    async def _finished(self, request: Request, token: str) -> Response:
        failed, peer = self._sign_in.failed, client_address(request)
        try:
            taken = await self._openid.take(token, request.query_params.multi_items())
        except E2AError as problem:
            await failed.by_issuer(problem.code, peer)
            raise
        known = Known(person_id=taken.attempt.person_id, link_hash=taken.attempt.details.get("link", ""))
        try:
            claims = await self._openid.finish(taken)
            known = replace(known, subject=claims.subject)
            return await self._settled(request, taken, claims)
        except Conflict as problem:
            await failed.by_issuer(problem.code, peer)  # in the audit log as what it was to connect
            raise
        except (E2AError, LinkUnknown, LinkUsed, LinkExpired) as problem:
            await failed.by_issuer(problem.code, peer, known)
            raise

    async def _settled(self, request: Request, taken: Taken, claims: Claims) -> Response:
        details, person_id = taken.attempt.details, taken.attempt.person_id
        follow = local_path(details["next"])
        user_agent = request.headers.get("user-agent", "")
        if person_id is not None:
            who = await find_session(self._core, cookie_of(request, self._core))
            if who is None or who.id != details["session"] or who.person.id != person_id:
                raise Forbidden("whoever began this is signed in no more, so nothing was connected")
            await self._identities.connect(claims, who)
            return RedirectResponse(f"{follow}?said=identity-connected", 303, HEADERS)
        if "link" in details:
            opened = await self._identities.accept(claims, details["link"], user_agent)
        else:
            opened = await self._identities.sign_in(claims, user_agent)
        return await self._sign_in.finish(request, opened, follow)

    async def _go(self, details: dict[str, str], person_id: str | None = None) -> Response:
        """A page that leads on at once, since the pages' policy lets no form lead to another site (`form-action`)."""
        self._require_offered()
        begun = await self._openid.begin(details, person_id)
        name = issuer_name(self._core.settings)
        response = html("at_issuer.html", 200, title="Sign in", issuer=name, url=begun.url)
        response.headers["Refresh"] = f"0;url={begun.url}"
        set_cookie(response, self._core, begun.token, ATTEMPT_COOKIE)
        return response

    def _require_offered(self) -> None:
        if not self._openid.offered:
            raise NotFound("no issuer is set up here")
