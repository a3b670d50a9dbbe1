"""`e2a pause`, `e2a resume`: stop all sending at once, and let it go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from e2a_core.contract.account import AccountView
from e2a_core.contract.agents import AgentView
from e2a_mcp.program.arguments import Address
from e2a_mcp.program.commands.acting import HERE, Acting, Where, act

__all__ = ["pause", "resume"]

Whose = Annotated[Address | None, Parameter(help="One inbox; the whole account if left out.")]


def pause(agent: Whose = None, /, *, where: Where = HERE) -> int:
    """Stop all sending of an inbox or the account. Mail is still received; what was to leave waits."""

    async def work(it: Acting) -> None:
        if agent is None:
            it.output.one(await it.session.account.pause(), _account)
        else:
            it.output.one(await it.session.agents.pause(agent), _inbox)

    return act(where, work, agent=agent)


def resume(agent: Whose = None, /, *, where: Where = HERE) -> int:
    """Let an inbox or the account send again. What waits goes out."""

    async def work(it: Acting) -> None:
        if agent is None:
            it.output.one(await it.session.account.resume(), _account)
        else:
            it.output.one(await it.session.agents.resume(agent), _inbox)

    return act(where, work, agent=agent)


def _account(view: AccountView) -> Sequence[str]:
    if view.sending_paused:
        return ["Nothing leaves the account now; mail still comes in. `e2a resume` lets it send again."]
    return ["The account sends again, except for inboxes that are paused themselves."]


def _inbox(view: AgentView) -> Sequence[str]:
    if view.sending_paused == "agent":
        return [
            f"Nothing leaves {view.email} now; mail still comes in. `e2a resume {view.email}` lets it send again."
        ]
    if view.sending_paused:
        return [f"{view.email} may send again once the account does: `e2a resume`."]
    return [f"{view.email} sends again."]
