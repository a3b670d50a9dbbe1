"""Signing in by a one-time link, a passkey or an API key, and signing out.

Looking at a link uses nothing up, since mail scanners and previews follow links: the form of its page does.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from e2a_core.accounts.credentials import hash_key
from e2a_core.audit.entry import by_principal
from e2a_core.audit.log import AuditLog
from e2a_core.core import Core
from e2a_core.errors import E2AError, Forbidden, InvalidRequest, NotFound, Unauthorized
from e2a_core.http.limits import Budget, RequestLimits, client_address
from e2a_core.http.pages.guards import (
    ATTEMPT_COOKIE,
    Form,
    clear_cookie,
    cookie_of,
    local_path,
    read_form,
    require_own_site,
    require_proof,
    set_cookie,
)
from e2a_core.http.pages.routes import PeopleEngine
from e2a_core.http.pages.visit import HEADERS, html
from e2a_core.mail.addresses import normalize_addr_spec
from e2a_core.observer import Observer
from e2a_core.people.failures import FailedSignIns
from e2a_core.people.links import LinkExpired, LinkUnknown, LinkUsed, ensure_person, open_link, redeem
from e2a_core.people.passkeys import Passkeys
from e2a_core.people.queries import PersonRow
from e2a_core.people.sessions import (
    NewSession,
    end_session,
    find_session,
    new_session,
    person_principal,
    proof_of,
)
from e2a_core.settings import Settings
from e2a_core.submission.sign_in_mail import ask_for_mail

__all__ = ["SIGN_IN", "SignIn", "issuer_name", "refused_link", "sign_in_page"]

SIGN_IN = Budget("sign_in", 10, 60, told=False)
"""Attempts of one address in a minute: a person needs a few, and a secret of 256 bits is not guessed anyway."""

LOOKED_AT = Budget("sign_in_link", 10, 60, told=False)
"""Links that sign nobody in and are told of as failures; opening one is not refused."""

MAILS = Budget("sign_in_mail", 3, 900, told=False)
"""Links to one address, whether an account has it or not."""
MAX_ADDRESS_CHARS = 320


class SignIn:
    """The pages that nobody has to be signed in for."""

    def __init__(self, engine: PeopleEngine, core: Core, observer: Observer) -> None:
        self._engine = engine
        self._core = core
        self._audit = AuditLog(core)
        self.failed = FailedSignIns(core, self._audit, observer)
        self._passkeys = Passkeys(core)

    def routes(self) -> list[Route]:
        return [
            Route("/sign-in", self.ask, methods=["GET"]),
            Route("/sign-in", self.enter, methods=["POST"]),
            Route("/sign-in/passkey", self.ask_device, methods=["POST"]),
            Route("/sign-in/mail", self.ask_for_link, methods=["POST"]),
            Route("/sign-out", self.leave, methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        """The page of a link, or the one that says how to come in."""
        request.scope["e2a.operation"] = "page"
        token = request.query_params.get("t")
        follow = local_path(request.query_params.get("next", "/"))
        if token is None:
            return sign_in_page(self._core, 200, follow)
        try:
            person = await open_link(self._core, token)
        except (LinkUnknown, LinkUsed, LinkExpired) as problem:
            await self._looked_at(request, token, problem.code)
            return refused_link(self._core, problem, follow)
        issuer = issuer_name(self._core.settings)
        return html(
            "sign_in_link.html",
            200,
            title="Sign in",
            person=person,
            token=token,
            follow=follow,
            issuer=issuer,
        )

    async def ask_device(self, request: Request) -> Response:
        """What the browser asks a device for, as JSON for our script."""
        request.scope["e2a.operation"] = "page"
        limits: RequestLimits = request.app.state.limits
        try:
            require_own_site(request, self._core.links.base_url)
            limits.spend(request, SIGN_IN, client_address(request))
            begun = await self._passkeys.begin_sign_in()
        except E2AError as problem:
            return PlainTextResponse(problem.message, problem.status, HEADERS)
        response = JSONResponse(begun.options, headers=HEADERS)
        set_cookie(response, self._core, begun.token, ATTEMPT_COOKIE)
        return response

    async def ask_for_link(self, request: Request) -> Response:
        """Has a link mailed to the account with an address, and says the same if there is none."""
        request.scope["e2a.operation"] = "page"
        limits: RequestLimits = request.app.state.limits
        try:
            require_own_site(request, self._core.links.base_url)
            limits.spend(request, SIGN_IN, client_address(request))
            email = normalize_addr_spec((await read_form(request)).text("email").strip())
            if self._core.settings.sandbox:
                raise NotFound("no mail leaves this deployment")
            if not 0 < len(email) <= MAX_ADDRESS_CHARS or not email.isprintable():
                raise InvalidRequest("give the address of the account", location="email")
            limits.spend(request, MAILS, email)
            await ask_for_mail(self._core, email)
        except E2AError as problem:
            return sign_in_page(self._core, problem.status, "/", problem.message)
        return html("sign_in_mailed.html", 200, title="Look at your mail")

    async def enter(self, request: Request) -> Response:
        """Signs in who has what it takes. Only failures count for the limit, so that nobody is kept out by others'."""
        request.scope["e2a.operation"] = "page"
        try:
            require_own_site(request, self._core.links.base_url)
            form = await read_form(request)
        except E2AError as problem:
            return sign_in_page(self._core, problem.status, "/", problem.message)
        follow = local_path(form.text("next", "/"))
        try:
            opened = await self._opened(request, form)
        except (LinkUnknown, LinkUsed, LinkExpired, Unauthorized, Forbidden) as problem:
            return await self._refused(request, form, follow, problem)
        except E2AError as problem:
            return sign_in_page(self._core, problem.status, follow, problem.message)
        return await self.finish(request, opened, follow)

    async def _refused(
        self,
        request: Request,
        form: Form,
        follow: str,
        problem: LinkUnknown | LinkUsed | LinkExpired | Unauthorized | Forbidden,
    ) -> Response:
        limits: RequestLimits = request.app.state.limits
        peer = client_address(request)
        try:
            limits.spend(request, SIGN_IN, peer)
        except E2AError as limited:
            return sign_in_page(self._core, limited.status, follow, limited.message)
        if "t" in form:
            await self.failed.by_link(hash_key(form.text("t")), problem.code, peer)
        elif "passkey" in form:
            await self.failed.by_passkey(form.text("passkey"), problem.code, peer)
        else:
            await self.failed.by_key(form.text("key").strip(), problem.code, peer)
        if isinstance(problem, E2AError):
            return sign_in_page(self._core, problem.status, follow, problem.message)
        return refused_link(self._core, problem, follow)

    async def _looked_at(self, request: Request, token: str, code: str) -> None:
        """A link that signs nobody in was opened, which has no form to send; what only looks ahead is left out."""
        limits: RequestLimits = request.app.state.limits
        ahead = "sec-purpose" in request.headers or "purpose" in request.headers
        if request.method != "GET" or ahead:
            return
        peer = client_address(request)
        if not limits.is_spent(LOOKED_AT, peer):
            limits.spend(request, LOOKED_AT, peer)
            await self.failed.by_link(hash_key(token), code, peer)

    async def finish(self, request: Request, opened: NewSession, follow: str) -> Response:
        """Hands a session that was just opened to the browser, and leads on."""
        await self._record("sign_in", opened.person, opened.id)
        # Whoever was signed in here before is not any more: a session is never handed on.
        await self._end(cookie_of(request, self._core))
        response = RedirectResponse(follow, 303, HEADERS)
        set_cookie(response, self._core, opened.token)
        clear_cookie(response, self._core, ATTEMPT_COOKIE)
        return response

    async def leave(self, request: Request) -> Response:
        request.scope["e2a.operation"] = "page"
        token = cookie_of(request, self._core)
        try:
            require_own_site(request, self._core.links.base_url)
            require_proof(await read_form(request), proof_of(token))
        except E2AError as problem:
            return sign_in_page(self._core, problem.status, "/", problem.message)
        await self._end(token)
        response = html("signed_out.html", 200, title="You are signed out", person=None)
        clear_cookie(response, self._core)
        return response

    async def _opened(self, request: Request, form: Form) -> NewSession:
        """Raises `Unauthorized` for what signs nobody in, and what `redeem` raises."""
        user_agent = request.headers.get("user-agent", "")
        if "t" in form:
            return await redeem(self._core, form.text("t"), user_agent)
        if "passkey" in form:
            token = cookie_of(request, self._core, ATTEMPT_COOKIE)
            return await self._passkeys.sign_in(token, form.text("passkey"), user_agent)
        return await self._opened_by_key(form.text("key").strip(), user_agent)

    async def _opened_by_key(self, key: str, user_agent: str) -> NewSession:
        """Raises `Unauthorized` for what is no key, and `Forbidden` for the key of an agent."""
        try:
            principal = (await self._engine.session(key)).principal
        except Unauthorized:
            raise Unauthorized("this is no key of this deployment, or it was revoked") from None
        if principal.scope != "account":
            raise Forbidden("this is the key of an agent, and deciding is for people: use an account key")
        person = await ensure_person(self._core, principal.account_id)
        opened = new_session(self._core, person, user_agent=user_agent, key_id=principal.credential_id)
        await self._core.db.write([opened.statement])
        return opened

    async def _end(self, token: str) -> None:
        before = await find_session(self._core, token) if token else None
        if before is not None:
            await end_session(self._core, before.person.account_id, before.id)
            await self._record("sign_out", before.person, before.id)

    async def _record(self, operation: str, person: PersonRow, session_id: str) -> None:
        await self._audit.record(
            by_principal(person_principal(person), operation, {"session_id": session_id})
        )


def sign_in_page(core: Core, status: int, follow: str, problem: str = "") -> Response:
    issuer = issuer_name(core.settings)
    return html(
        "sign_in.html",
        status,
        title="Sign in",
        follow=follow,
        problem=problem,
        issuer=issuer,
        mails=not core.settings.sandbox,
    )


def issuer_name(settings: Settings) -> str:
    """What the issuer is called on pages; empty if there is none."""
    return settings.oidc_name or urlsplit(settings.oidc_issuer).hostname or "" if settings.oidc_issuer else ""


def refused_link(core: Core, problem: LinkUnknown | LinkUsed | LinkExpired, follow: str) -> Response:
    if isinstance(problem, LinkUsed):
        return sign_in_page(core, 410, follow, "This link was used already. Each one signs in once.")
    if isinstance(problem, LinkExpired):
        return sign_in_page(core, 410, follow, "This link has expired. Ask for another one.")
    words = "This link is not valid. Open it exactly as it was printed or sent."
    return sign_in_page(core, 400, follow, words)
