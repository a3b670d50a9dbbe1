"""`e2a doctor`: says what is wrong with a deployment and what to do about it."""

from __future__ import annotations

import argparse
import asyncio
import sys

from e2a_mcp.program.output import result

__all__ = ["configure", "doctor", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--agent", default="", metavar="ADDRESS", help="look at this inbox")
    parser.add_argument("--domain", default="", metavar="DOMAIN", help="look at this domain alone")
    parser.add_argument("--mcp-url", default="", metavar="URL", help="look at MCP over HTTP here")
    parser.add_argument("--json", action="store_true", help="print the report as JSON, schema e2a.doctor/v1")


def run(args: argparse.Namespace) -> int:
    return doctor(agent=args.agent, domain=args.domain, mcp_url=args.mcp_url, json=args.json)


def doctor(*, agent: str = "", domain: str = "", mcp_url: str = "", json: bool = False) -> int:
    """Makes all checks, prints what they found, and returns the exit status of `Report.exit_code`."""
    # Imported here: the checks load most of the program, which the help text does not need.
    from e2a_core.clock import SystemClock
    from e2a_mcp.program.doctor.examination import Wishes, examine
    from e2a_mcp.program.doctor.report import as_json, as_lines

    report = asyncio.run(examine(Wishes(agent, domain, mcp_url), SystemClock()))
    lines = [as_json(report)] if json else as_lines(report, colour=sys.stdout.isatty())
    for line in lines:
        result(line)
    return report.exit_code
