"""Another deployment, seen through its API with the key of the settings: the key, the inbox, domains and webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from e2a_core.clock import Clock
from e2a_core.contract.domains import DomainView
from e2a_core.contract.engine import Session
from e2a_core.contract.webhooks import DeliveryQuery, WebhookView
from e2a_core.errors import E2AError, Forbidden, NotFound, Unauthorized, Unavailable
from e2a_core.remote.engine import RemoteEngine, open_remote_engine
from e2a_core.settings import Settings
from e2a_mcp.program.doctor.domains import check_sending, no_domains, not_registered, too_many
from e2a_mcp.program.doctor.finding import Cause, Finding, fail, passed, quoted, skip
from e2a_mcp.program.doctor.limits import MAX_DOMAINS, MAX_WEBHOOKS, NETWORK_SECONDS
from e2a_mcp.program.doctor.lookups import resolver_of
from e2a_mcp.program.doctor.records import check_records
from e2a_mcp.program.doctor.webhooks import webhook_findings
from e2a_mcp.program.doctor.wishes import Wishes

__all__ = ["check_account"]

Answer = TypeVar("Answer")

_SCOPE_FIX = "use a key of the account to have this looked at"


async def check_account(settings: Settings, wishes: Wishes, clock: Clock) -> list[Finding]:
    """All that a key shows. Nothing is asked for the key's sake alone if the deployment refuses it."""
    engine = await open_remote_engine(settings, clock=clock)
    try:
        return await _with_key(engine, settings, wishes, clock)
    finally:
        await engine.close()


async def _with_key(engine: RemoteEngine, settings: Settings, wishes: Wishes, clock: Clock) -> list[Finding]:
    session = await _asked(engine.session(settings.api_key))
    if isinstance(session, E2AError):
        return [_refused("api.auth", session, settings.api_url)]
    principal = session.principal
    whose = principal.agent_email or principal.account_email
    key = passed("api.auth", f"the key of {quoted(whose)}, scope {principal.scope}", scope=principal.scope)
    agent, domains, webhooks = await asyncio.gather(
        _inbox(session, wishes.agent or settings.agent_email or principal.agent_email or ""),
        _domains(session, settings, wishes, clock),
        _webhooks(session),
    )
    return [key, agent, *domains, *webhooks]


async def _asked(request: Awaitable[Answer]) -> Answer | E2AError:
    """The answer to one request, or why there is none."""
    try:
        async with asyncio.timeout(NETWORK_SECONDS):
            return await request
    except E2AError as problem:
        return problem
    except TimeoutError:
        return Unavailable(f"no answer within {NETWORK_SECONDS:.0f} seconds")


def _refused(id: str, problem: E2AError, target: str) -> Finding:
    detail = quoted(problem.message)
    if isinstance(problem, Unauthorized):
        fix = "set E2A_API_KEY to a key of this deployment that was not revoked"
        return fail(id, "unauthorized", detail, fix, cause=Cause.AUTH, target=target)
    if isinstance(problem, Forbidden):
        fix = "use a key that may see this"
        return fail(id, "forbidden", detail, fix, cause=Cause.AUTH, target=target)
    if isinstance(problem, Unavailable):
        fix = "try again; see that the deployment runs"
        return fail(id, "connection_failed", detail, fix, cause=Cause.TRANSIENT, target=target)
    cause = Cause.TRANSIENT if problem.retryable or problem.status >= 500 else Cause.CONFIG
    fix = (
        "try again later"
        if cause is Cause.TRANSIENT
        else "see that E2A_API_URL is that of a deployment of e2a"
    )
    return fail(
        id, "http_error", f"{problem.status} {problem.code}: {detail}", fix, cause=cause, target=target
    )


async def _inbox(session: Session, email: str) -> Finding:
    id = "agent.access"
    if not email:
        fix = "name one with --agent or E2A_AGENT_EMAIL"
        return skip(id, "no_agent_selected", "none is chosen, and the key is bound to none", fix=fix)
    found = await _asked(session.agents.get(email))
    if isinstance(found, NotFound):
        fix = "correct --agent or E2A_AGENT_EMAIL, or create the inbox"
        return fail(id, "agent_not_found", "does not exist there", fix, target=email)
    if isinstance(found, E2AError):
        return _refused(id, found, email)
    return passed(id, "can be used", target=email)


async def _domains(session: Session, settings: Settings, wishes: Wishes, clock: Clock) -> list[Finding]:
    id = "domain.registered"
    if session.principal.scope != "account":
        return [skip(id, "requires_account_scope", "a key of one inbox does not see them", fix=_SCOPE_FIX)]
    if wishes.domain:
        found = await _asked(session.domains.get(wishes.domain))
        if isinstance(found, NotFound):
            return [not_registered(wishes.domain)]
        if isinstance(found, E2AError):
            return [_refused(id, found, wishes.domain)]
        return await _live([found], settings, clock)
    page = await _asked(session.domains.list(limit=MAX_DOMAINS))
    if isinstance(page, E2AError):
        return [_refused(id, page, "")]
    more = [too_many()] if page.next_cursor else []
    return [*await _live(page.items[:MAX_DOMAINS], settings, clock), *more] or [no_domains()]


async def _live(domains: Sequence[DomainView], settings: Settings, clock: Clock) -> list[Finding]:
    resolver = resolver_of(settings, clock)
    try:
        records = await asyncio.gather(
            *(check_records(resolver, view.domain, view.dns_records) for view in domains)
        )
    finally:
        await resolver.aclose()
    return [
        finding
        for view, found in zip(domains, records, strict=True)
        for finding in (
            passed(
                "domain.registered", "is verified" if view.verified else "is registered", target=view.domain
            ),
            *found,
            check_sending(view.domain, view.sending_status, view.sending_error or ""),
        )
    ]


async def _webhooks(session: Session) -> list[Finding]:
    id = "webhook.config"
    if session.principal.scope != "account":
        return [skip(id, "requires_account_scope", "a key of one inbox does not see them", fix=_SCOPE_FIX)]
    page = await _asked(session.webhooks.list(limit=MAX_WEBHOOKS))
    if isinstance(page, E2AError):
        return [_refused(id, page, "")]
    if not page.items:
        return [skip(id, "no_webhooks", "there are none")]
    found = await asyncio.gather(*(_webhook(session, webhook) for webhook in page.items[:MAX_WEBHOOKS]))
    return [finding for part in found for finding in part]


async def _webhook(session: Session, webhook: WebhookView) -> list[Finding]:
    latest = await _asked(session.webhooks.list_deliveries(webhook.id, DeliveryQuery(limit=1)))
    if isinstance(latest, E2AError):
        configured, _, reached = webhook_findings(webhook, None)
        return [configured, _refused("webhook.delivery", latest, webhook.id), reached]
    return webhook_findings(webhook, latest.items[0] if latest.items else None)
