"""Which recipients are inboxes of this deployment."""

from __future__ import annotations

from collections.abc import Sequence

from e2a_core.agents.lookup import lookup_recipient
from e2a_core.core import Core
from e2a_core.mail.addresses import parse_address
from e2a_core.submission.draft import Draft

__all__ = ["local_recipients", "method_of", "stays_inside"]


def stays_inside(core: Core, message_type: str) -> bool:
    """Whether mail to inboxes of this deployment is handed over here.

    A test shows that mail from outside arrives, so it leaves and comes back wherever there is a relay to send it to.
    """
    return message_type != "test" or core.settings.sandbox


def method_of(core: Core, draft: Draft, *, everyone_local: bool) -> str:
    """The transport a message is reported under; `loopback` for one that reaches nobody outside."""
    if everyone_local and stays_inside(core, draft.type):
        return "loopback"
    return "sandbox" if core.settings.sandbox else "smtp"


async def local_recipients(core: Core, recipients: Sequence[str]) -> dict[str, str]:
    """Recipient as given -> the agent it reaches; recipients elsewhere are absent.

    Everything under the shared domain is local, whether or not an inbox has that address: nobody else serves it.
    """
    found: dict[str, str] = {}
    for text in recipients:
        address = parse_address(text)
        reached = await lookup_recipient(core, address.normalized)
        if reached is not None:
            found[text] = reached.agent.email
        elif address.normalized.endswith("@" + core.settings.shared_domain):
            found[text] = address.normalized
    return found
