"""The verdict on the sender of received mail in one word, for rows and for the condition that finds them.

`verified`: the Author Domain, or an agent of this deployment, is proven. `failed`: the Author Domain disowns the
message (DMARC fails). `partial`: only a signature proves the Author Domain, and it does not cover all that is shown.
`unverified`: none of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e2a_core.contract.message_views import Verdict
from e2a_core.contract.states import Direction

__all__ = ["verdict", "verdict_condition"]


def verdict(authentication: Mapping[str, Any] | None, author_agent: str | None) -> Verdict:
    found = authentication or {}
    if "coverage" in found:
        return "partial"
    status = found.get("dmarc", {}).get("status")
    if author_agent or status == "pass":
        return "verified"
    return "failed" if status == "fail" else "unverified"


_PASS, _FAIL = (
    # A quote inside a value is escaped in JSON, so no sender can write this.
    f'COALESCE(m.authentication, \'\') LIKE \'%"dmarc":{{"status":"{status}"%\''
    for status in ("pass", "fail")
)
_PARTIAL = "COALESCE(m.authentication, '') LIKE '%\"coverage\":\"partial\"%'"
_CONDITIONS: Mapping[Verdict, str] = {
    "verified": f"(m.author_agent IS NOT NULL OR {_PASS}) AND NOT {_PARTIAL}",
    "partial": _PARTIAL,
    "failed": f"m.author_agent IS NULL AND {_FAIL}",
    "unverified": f"m.author_agent IS NULL AND NOT {_PASS} AND NOT {_FAIL} AND NOT {_PARTIAL}",
}


def verdict_condition(wanted: Verdict) -> str:
    """Returns the SQL condition of received mail `m` with this verdict, for both databases."""
    return f"m.direction = '{Direction.INBOUND}' AND {_CONDITIONS[wanted]}"
