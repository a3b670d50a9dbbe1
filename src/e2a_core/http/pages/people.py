"""Who may use these pages: invitations, roles and removal, by owners."""

from __future__ import annotations

from starlette.responses import Response

from e2a_core.clock import from_micros
from e2a_core.errors import E2AError
from e2a_core.http.limits import Budget, RequestLimits
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.visit import Visit
from e2a_core.people.membership import ROLES, Invitation, Membership
from e2a_core.people.sessions import person_principal
from e2a_core.submission.invitation_mail import mail_invitation

__all__ = ["PAGES"]

PATH = "/settings/people"
MAILS = Budget("invitation_mail", 10, 3600, told=False)
"""Of one account: an owner lets in few people, and none who is mailed often."""


async def people(visit: Visit) -> Response:
    return await _shown(visit)


async def invite(visit: Visit) -> Response:
    given = {name: visit.form.text(name).strip() for name in ("email", "name", "role")}
    try:
        invitation = await _membership(visit).invite(given["email"], given["name"], given["role"])
    except E2AError as problem:
        return await _shown(visit, problem, given)
    return await _invited(visit, invitation)


async def invite_again(visit: Visit) -> Response:
    return await _invited(visit, await _membership(visit).invite_again(_person_id(visit)))


async def mail_link(visit: Visit) -> Response:
    """Has a link mailed to the person; so many in an hour, whoever they are for."""
    limits: RequestLimits = visit.request.app.state.limits
    limits.spend(visit.request, MAILS, visit.who.person.account_id)
    await mail_invitation(visit.core, visit.session.principal, _person_id(visit))
    return visit.go(PATH, said="invitation-mailed")


async def give_role(visit: Visit) -> Response:
    await _membership(visit).give_role(_person_id(visit), visit.form.text("role"))
    return visit.go(PATH, said="role-given")


async def ask_removal(visit: Visit) -> Response:
    member = await _membership(visit).find(_person_id(visit))
    title = f"Remove {member.person.name or member.person.email}"
    return await visit.page("person_remove.html", title=title, at="people", member=member)


async def remove(visit: Visit) -> Response:
    await _membership(visit).remove(_person_id(visit))
    return visit.go(PATH, said="person-removed")


async def _shown(
    visit: Visit, problem: E2AError | None = None, given: dict[str, str] | None = None
) -> Response:
    members = await _membership(visit).list()
    seen = {item.person.id: from_micros(item.seen_at) for item in members if item.seen_at is not None}
    return await visit.page(
        "people.html",
        title="People",
        at="people",
        status=problem.status if problem else 200,
        members=members,
        seen=seen,
        roles=ROLES,
        mails=_mails(visit),
        problem=problem,
        given=given or {"email": "", "name": "", "role": "reviewer"},
    )


async def _invited(visit: Visit, invitation: Invitation) -> Response:
    return await visit.page(
        "invited.html", title="Invitation", at="people", invitation=invitation, mails=_mails(visit)
    )


def _mails(visit: Visit) -> bool:
    return visit.owner and not visit.core.settings.sandbox


def _membership(visit: Visit) -> Membership:
    return Membership(visit.core, person_principal(visit.who.person))


def _person_id(visit: Visit) -> str:
    return str(visit.request.path_params["person_id"])


PAGES = (
    Page("GET", PATH, people),
    Page("POST", PATH, invite),
    Page("POST", f"{PATH}/{{person_id}}/link", invite_again),
    Page("POST", f"{PATH}/{{person_id}}/mail", mail_link),
    Page("POST", f"{PATH}/{{person_id}}/role", give_role),
    Page("GET", f"{PATH}/{{person_id}}/remove", ask_removal),
    Page("POST", f"{PATH}/{{person_id}}/remove", remove),
)
