"""The links that the pages offer, with which a host adds this deployment."""

from __future__ import annotations

from contextlib import suppress

from e2a_core.settings import Settings
from e2a_mcp.program.hosts.deeplinks import LINKED, deeplink
from e2a_mcp.program.hosts.entry import Entry, local_entry, remote_entry
from e2a_mcp.program.hosts.problems import HostProblem
from e2a_mcp.program.hosts.table import HOSTS

__all__ = ["host_links"]


def host_links(settings: Settings) -> dict[str, str]:
    """Returns the links by the name of the host; a host that cannot be set up by one is left out.

    A deployment with a public URL is reached there; else the reader sits at this machine, and its host starts a
    command.
    """
    found = {}
    with suppress(HostProblem):
        entry = _entry(settings)
        for key in LINKED:
            with suppress(HostProblem):
                found[HOSTS[key].title] = deeplink(HOSTS[key], entry)
    return found


def _entry(settings: Settings) -> Entry:
    if settings.public_url:
        return remote_entry(f"{settings.public_url.rstrip('/')}/mcp")
    return local_entry({"E2A_HOME": str(settings.home)})
