"""`e2a doctor`: says what is wrong with a deployment and what to do about it."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

from cyclopts import Parameter

from e2a_mcp.program.arguments import Url
from e2a_mcp.program.output import result_as_is

__all__ = ["doctor"]


def doctor(
    *,
    agent: Annotated[str, Parameter(help="Look at this inbox.", show_default=False)] = "",
    domain: Annotated[str, Parameter(help="Look at this domain alone.", show_default=False)] = "",
    mcp_url: Annotated[str, Parameter(help="Look at MCP over HTTP here.", show_default=False)] = "",
    remote: Annotated[
        Url | None,
        Parameter(
            help="Look at the deployment at this URL, with E2A_API_KEY or the saved key.", show_default=False
        ),
    ] = None,
    local: Annotated[bool, Parameter(help="Look at the home on this machine even if a key is set.")] = False,
    json: Annotated[bool, Parameter(help="Print the report as JSON, schema e2a.doctor/v1.")] = False,
) -> int:
    """Say what is wrong with a deployment, and what to do about it. The exit status is that of the report."""
    # Imported here: the checks load most of the program, which the help text does not need.
    from e2a_core.clock import SystemClock
    from e2a_mcp.program.doctor.examination import examine
    from e2a_mcp.program.doctor.report import as_json, as_lines
    from e2a_mcp.program.doctor.wishes import Wishes

    wishes = Wishes(
        agent.strip().lower(), domain.strip().rstrip(".").lower(), mcp_url.strip(), remote or "", local
    )
    report = asyncio.run(examine(wishes, SystemClock()))
    lines = [as_json(report)] if json else as_lines(report, colour=sys.stdout.isatty())
    for line in lines:
        result_as_is(line)
    return report.exit_code
