"""`e2a whoami`, `e2a status`: who a command acts as, and what runs."""

from __future__ import annotations

from collections.abc import Iterator

from e2a_core.contract.account import AccountView
from e2a_mcp.program.commands.acting import HERE, Acting, Where, act
from e2a_mcp.program.commands.show import ago

__all__ = ["status", "whoami"]


def whoami(*, where: Where = HERE) -> int:
    """Say which account and inbox commands act as, with its limits and usage."""

    async def work(it: Acting) -> None:
        account = await it.session.account.get()
        it.output.one(account, lambda view: _who(it, view))

    return act(where, work)


def _who(it: Acting, account: AccountView) -> Iterator[str]:
    # Imported here: the tools load much that the help text does not need.
    from e2a_mcp.tools.identity import usage_lines

    there = it.settings.api_url if it.settings.remote else f"the home {it.settings.home}"
    yield f"{account.user.email} at {there}"
    inbox = account.agent_email or it.settings.agent_email or it.session.principal.agent_email
    yield f"{account.scope} scope, inbox {inbox or 'not chosen'}, plan {account.plan_code}"
    if account.sending_paused:
        since = f" since {ago(account.sending_paused_at)}" if account.sending_paused_at else ""
        yield f"Sending is paused{since}: `e2a resume` lets it go on."
    yield from usage_lines(account)


def status(*, where: Where = HERE) -> int:
    """Say what runs and what waits: the server, mail that is held, what is paused."""

    async def work(it: Acting) -> None:
        account = await it.session.account.get()
        info = await it.engine.info()
        held = (await it.session.reviews.list(limit=100)).items if account.scope == "account" else []
        served = _served(it)
        if it.output.as_json:
            it.output.json(
                {
                    "deployment": it.settings.api_url if it.settings.remote else str(it.settings.home),
                    "remote": it.settings.remote,
                    "served": served,
                    "sandbox": None if it.settings.remote else it.settings.sandbox,
                    "shared_domain": info.shared_domain,
                    "account": account.user.email,
                    "sending_paused": account.sending_paused,
                    "held": len(held),
                }
            )
            return
        for line in _status(it, account, served, len(held)):
            it.output.line(line)

    return act(where, work)


def _served(it: Acting) -> dict[str, object] | None:
    """The addresses of the process that serves the home, if one does."""
    if it.settings.remote:
        return None
    from e2a_core.local.run_file import read_run_file

    return read_run_file(it.settings.home)


def _status(it: Acting, account: AccountView, served: dict[str, object] | None, held: int) -> Iterator[str]:
    if it.settings.remote:
        yield f"{account.user.email} at {it.settings.api_url}, which answers"
    elif served:
        yield f"The home {it.settings.home} is served: {served.get('http')}, SMTP {served.get('smtp')}"
    else:
        yield f"Nobody serves the home {it.settings.home}: `e2a serve` takes mail in and lets it out."
    if not it.settings.remote and it.settings.sandbox:
        yield "Sandbox: mail to other hosts is captured and not sent."
    if account.sending_paused:
        yield "Sending is paused: `e2a resume` lets it go on."
    yield "Nothing waits for you." if not held else f"{held} held for you: `e2a reviews interactive`"
