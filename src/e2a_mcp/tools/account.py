"""The export of the account, if it fits into a model's context.

There is no tool that deletes the account, because that cannot be undone; a person can do it with an API client.
"""

from __future__ import annotations

from typing import Any

from e2a_core.json_encoding import compact_json
from e2a_mcp.fence import Fence, plain_text
from e2a_mcp.schema import Arguments, object_schema
from e2a_mcp.tool import Call, Reply, Tool
from e2a_mcp.tools.outputs import TEXT, UNTRUSTED
from e2a_mcp.tools.passing import by_hand

__all__ = ["TOOLS"]

MAX_CHARS = 50_000
"""About 12,000 tokens. A larger export is only counted."""


async def export_account(call: Call, arguments: Arguments) -> Reply:
    document = (await call.session.account.export()).to_wire()
    text = plain_text(compact_json(document))
    counts = {name: len(rows) for name, rows in document.items() if isinstance(rows, list)}
    fence = Fence(call.services.ids, [text])
    structured: dict[str, Any] = {
        "generated_at": document["generated_at"],
        "size_chars": len(text),
        "counts": counts,
        "complete": len(text) <= MAX_CHARS,
    }
    lines = [", ".join(f"{name}: {count}" for name, count in counts.items())]
    if structured["complete"]:
        structured["document"] = fence.around(text)
        structured["untrusted"] = fence.note(["document"])
        lines += [fence.notice, structured["document"]]
    else:
        lines.append(
            f"the document has {len(text)} characters, more than the {MAX_CHARS} a tool answers with; "
            "GET /v1/account/export with an account key has all of it"
        )
    return Reply(structured, "\n".join(lines), untrusted=True)


TOOLS: tuple[Tool[Any], ...] = (
    by_hand(
        "export_account",
        Arguments,
        object_schema(
            {
                "generated_at": TEXT,
                "size_chars": {"type": "integer"},
                "counts": {"type": "object"},
                "complete": {"type": "boolean"},
                "document": {"type": "string", "description": "JSON inside the fence"},
                "untrusted": UNTRUSTED,
            },
            ["generated_at", "counts", "complete"],
        ),
        export_account,
    ),
)
