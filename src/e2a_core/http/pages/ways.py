"""How somebody signs in: their passkeys, and what they are known by at the issuer."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from e2a_core.clock import from_micros
from e2a_core.http.pages.guards import ATTEMPT_COOKIE, clear_cookie, cookie_of, set_cookie
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.sign_in import issuer_name
from e2a_core.http.pages.visit import HEADERS, Visit
from e2a_core.people.identities import Identities
from e2a_core.people.passkeys import Passkeys, relying_party

__all__ = ["PAGES"]

PATH = "/settings/sign-in"


async def ways(visit: Visit) -> Response:
    party = relying_party(visit.core.links.base_url)
    return await visit.page(
        "ways.html",
        title="Signing in",
        at="ways",
        passkeys=await Passkeys(visit.core).list(visit.who.person.id),
        identities=await Identities(visit.core).list(visit.who.person.id),
        issuer=issuer_name(visit.core.settings),
        instant=from_micros,
        party=party,
        elsewhere=party is not None and visit.request.url.hostname not in {party.id, None},
    )


async def ask_device(visit: Visit) -> Response:
    """What the browser asks a device for, as JSON for our script."""
    begun = await Passkeys(visit.core).begin_adding(visit.who)
    response = JSONResponse(begun.options, headers=HEADERS)
    set_cookie(response, visit.core, begun.token, ATTEMPT_COOKIE)
    return response


async def add(visit: Visit) -> Response:
    token = cookie_of(visit.request, visit.core, ATTEMPT_COOKIE)
    await Passkeys(visit.core).add(visit.who, token, visit.form.text("passkey"), visit.form.text("name"))
    response = visit.go(PATH, said="passkey-added")
    clear_cookie(response, visit.core, ATTEMPT_COOKIE)
    return response


async def rename(visit: Visit) -> Response:
    await Passkeys(visit.core).rename(visit.who, _passkey_id(visit), visit.form.text("name"))
    return visit.go(PATH, said="passkey-renamed")


async def remove(visit: Visit) -> Response:
    await Passkeys(visit.core).remove(visit.who, _passkey_id(visit))
    return visit.go(PATH, said="passkey-removed")


async def disconnect(visit: Visit) -> Response:
    identity_id = str(visit.request.path_params["identity_id"])
    await Identities(visit.core).disconnect(visit.who, identity_id)
    return visit.go(PATH, said="identity-disconnected")


def _passkey_id(visit: Visit) -> str:
    return str(visit.request.path_params["passkey_id"])


PAGES = (
    Page("GET", PATH, ways),
    Page("POST", f"{PATH}/device", ask_device),
    Page("POST", f"{PATH}/passkeys", add),
    Page("POST", f"{PATH}/passkeys/{{passkey_id}}/rename", rename),
    Page("POST", f"{PATH}/passkeys/{{passkey_id}}/remove", remove),
    Page("POST", f"{PATH}/identities/{{identity_id}}/remove", disconnect),
)
