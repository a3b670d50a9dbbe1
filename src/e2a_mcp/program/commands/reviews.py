"""`e2a reviews`: mail that waits for a person, and the person's decision."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from e2a_core.contract.message_views import MessageView
from e2a_core.contract.reviews import ApproveRequest, RejectRequest, RejectResultView
from e2a_core.contract.states import Direction
from e2a_core.errors import E2AError, SettingsError
from e2a_mcp.program.commands.acting import HERE, Acting, Where, act
from e2a_mcp.program.commands.derive import Verb, add
from e2a_mcp.program.commands.letters import letter, review_line
from e2a_mcp.program.commands.mail import MessageId, outcome, told
from e2a_mcp.program.commands.reading import text_of
from e2a_mcp.program.commands.requesting import requested

__all__ = ["reviews"]

reviews = App(name="reviews")
add(
    reviews,
    "reviews",
    Verb(name="list", operation="list_reviews", shown=review_line, empty="Nothing waits for you."),
)
Hash = Annotated[
    str | None, Parameter(help="The `content_hash` you saw: another draft than that is not decided.")
]


@reviews.command
def show(id: MessageId, /, *, where: Where = HERE) -> int:
    """Show what would go out or come in, to whom, and why it waits."""

    async def work(it: Acting) -> None:
        await _shown(it, await it.session.reviews.get(id))

    return act(where, work)


@reviews.command
def approve(
    id: MessageId,
    /,
    *,
    subject: Annotated[str | None, Parameter(help="Another subject.")] = None,
    body_file: Annotated[
        Path | None,
        Parameter(help="Another text, in this file; `-` is standard input.", allow_leading_hyphen=True),
    ] = None,
    to: Annotated[list[str] | None, Parameter(help="Other recipients; may be given again.")] = None,
    cc: Annotated[list[str] | None, Parameter(help="Other recipients of a copy.")] = None,
    bcc: Annotated[list[str] | None, Parameter(help="Other recipients the others do not see.")] = None,
    content_hash: Hash = None,
    where: Where = HERE,
) -> int:
    """Approve held mail: a draft is sent, with the changes given, and an incoming message is let in."""
    text = None if body_file is None else text_of(body_file)
    edits = {"subject": subject, "text": text, "to": to, "cc": cc, "bcc": bcc, "content_hash": content_hash}
    request = requested(ApproveRequest, {name: value for name, value in edits.items() if value is not None})

    async def work(it: Acting) -> int:
        result = await it.session.reviews.approve(id, request)
        it.output.one(result, told)
        return outcome(result)

    return act(where, work)


@reviews.command
def reject(
    id: MessageId,
    /,
    *,
    reason: Annotated[str | None, Parameter(help="What the agent is told.")] = None,
    content_hash: Hash = None,
    where: Where = HERE,
) -> int:
    """Reject held mail for good."""

    async def work(it: Acting) -> None:
        request = RejectRequest(reason=reason, content_hash=content_hash)
        it.output.one(await it.session.reviews.reject(id, request), _rejected)

    return act(where, work)


@reviews.command
def interactive(*, where: Where = HERE) -> int:
    """Go through all that waits, one after the other, and decide it."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or where.json:
        raise SettingsError("interactive needs a terminal; `e2a reviews list` and `approve` do without")

    async def work(it: Acting) -> None:
        waiting = []
        cursor = None
        while True:
            page = await it.session.reviews.list(cursor=cursor)
            waiting += page.items
            cursor = page.next_cursor
            if not cursor:
                break
        if not waiting:
            it.output.line("Nothing waits for you.")
        for place, review in enumerate(waiting, 1):
            it.output.line(f"--- {place} of {len(waiting)} ---")
            if not await _decided(it, review.id):
                return

    return act(where, work)


async def _decided(it: Acting, id: str) -> bool:
    """Shows one and does what the person says; False when they have had enough."""
    try:
        message = await it.session.reviews.get(id)
        await _shown(it, message)
        while True:
            sys.stdout.write("\n[a]pprove, [r]eject, [s]kip, [q]uit: ")
            sys.stdout.flush()
            match sys.stdin.readline().strip().lower()[:1] or "q":
                case "a":
                    request = ApproveRequest(content_hash=message.content_hash)
                    it.output.one(await it.session.reviews.approve(id, request), told)
                case "r":
                    sys.stdout.write("Reason for the agent (may be empty): ")
                    sys.stdout.flush()
                    reason = sys.stdin.readline().strip() or None
                    refusal = RejectRequest(reason=reason, content_hash=message.content_hash)
                    it.output.one(await it.session.reviews.reject(id, refusal), _rejected)
                case "s":
                    pass
                case "q":
                    return False
                case _:
                    continue
            return True
    except E2AError as problem:
        # Somebody else decided meanwhile, or the draft changed: the next one is another matter.
        it.output.note(f"{problem.message} [{problem.code}]")
        return True


async def _shown(it: Acting, message: MessageView) -> None:
    ends = "" if it.output.as_json else await _ending(it, message)
    it.output.one(message, lambda view: letter(view, ends))
    if it.output.as_json:
        return
    it.output.line("")
    body = message.body
    text = (body.text if body else None) or (message.parsed.text if message.parsed else "") or ""
    it.output.text(text)
    if body and body.html:
        it.output.line("(There is an HTML form too; `--json` shows it.)")


async def _ending(it: Acting, message: MessageView) -> str:
    """What becomes of it if nobody decides, in a word."""
    if not message.agent_email:
        return "decided"
    let_go = (await it.session.protection.get(message.agent_email)).holds.on_expiry == "approve"
    if message.direction == Direction.INBOUND:
        return "let in" if let_go else "kept out"
    return "sent" if let_go else "rejected"


def _rejected(result: RejectResultView) -> Iterator[str]:
    yield f"{result.message_id} was rejected."
