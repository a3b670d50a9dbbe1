"""All findings of one run: what they come to, and their form for programs and for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from e2a_core.clock import rfc3339
from e2a_core.visible import one_line
from e2a_mcp.program.doctor.finding import Cause, Finding, Status

__all__ = ["SCHEMA", "Report", "as_json", "as_lines"]

SCHEMA = "e2a.doctor/v1"
EXIT_OF_CAUSE = {Cause.AUTH: 4, Cause.CONFIG: 9, Cause.TRANSIENT: 1}
"""In this order: whoever mends the credential sees the rest more clearly."""
EXIT_WARNINGS = 8
_COLOURS = {Status.PASS: "32", Status.WARN: "33", Status.FAIL: "31", Status.SKIP: "2"}
_DETAIL_COLUMN = 26


@dataclass(frozen=True, slots=True)
class Report:
    """`deployment_url` is where the deployment is, as far as that is known."""

    generated_at: datetime
    version: str
    deployment_url: str
    findings: Sequence[Finding]

    @property
    def counts(self) -> dict[str, int]:
        counted = Counter(finding.status for finding in self.findings)
        return {status.value: counted[status] for status in Status}

    @property
    def exit_code(self) -> int:
        causes = {finding.cause for finding in self.findings if finding.status is Status.FAIL}
        for cause, code in EXIT_OF_CAUSE.items():
            if cause in causes:
                return code
        return EXIT_WARNINGS if self.counts["warn"] else 0

    @property
    def status(self) -> str:
        counts = self.counts
        return "failed" if counts["fail"] else "warnings" if counts["warn"] else "healthy"


def as_json(report: Report) -> str:
    """The report as one line of ASCII, so that no terminal obeys what others wrote."""
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "generated_at": rfc3339(report.generated_at),
        "cli_version": report.version,
        "deployment_url": report.deployment_url,
        "status": report.status,
        "exit_code": report.exit_code,
        "summary": report.counts,
        "checks": [finding.as_json() for finding in report.findings],
    }
    return json.dumps(content, ensure_ascii=True)


def as_lines(report: Report, *, colour: bool = False) -> list[str]:
    """The report for a person: a line for each check, one below it that says what to do, and the sum."""
    lines = []
    for finding in report.findings:
        status = finding.status.value
        mark = f"\x1b[{_COLOURS[finding.status]}m{status}\x1b[0m" if colour else status
        target = f"{finding.target}: " if finding.target else ""
        lines.append(f"{mark}  {finding.id:<{_DETAIL_COLUMN - 6}}{one_line(target + finding.detail)}")
        if finding.fix:
            lines.append(f"{'':<{_DETAIL_COLUMN}}fix: {one_line(finding.fix)}")
    counts = report.counts
    lines.append("")
    lines.append(
        f"{len(report.findings)} checks: {counts['pass']} passed, {counts['warn']} to look at, "
        f"{counts['fail']} failed, {counts['skip']} not made"
    )
    return lines
