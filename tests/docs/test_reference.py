"""Every setting, tool, error, event and command is documented, and nothing else is."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from e2a_core.agents import events as inboxes
from e2a_core.contacts import due
from e2a_core.contract.events import EVENT_TYPES, INBOX_TYPES
from e2a_core.contract.states import Delivery, Direction, Method, Review
from e2a_core.domains import sending
from e2a_core.errors import E2AError, all_error_types
from e2a_core.feedback import bounces
from e2a_core.feedback.findings import Finding
from e2a_core.ids import Ids
from e2a_core.messages import lifecycle, payloads
from e2a_core.messages.rows import HoldRow, MessageRow, SubmissionRow
from e2a_core.settings import Settings, setting_names
from e2a_core.store.statement import Statement
from e2a_core.suppressions import entries
from e2a_mcp.dispatch import UnknownTool
from e2a_mcp.program import mcp
from e2a_mcp.tools import ACCOUNT_TOOLS, AGENT_TOOLS, LEGACY_ACCOUNT_TOOLS, LEGACY_AGENT_TOOLS
from tests.docs.command_line import commands
from tests.docs.documents import DOCUMENTS, ROOT, table_rows, ticked
from tests.docs.generated import BLOCKS, blocks_in, written

TOOLS = {tool.name for tool in (*AGENT_TOOLS, *ACCOUNT_TOOLS, *LEGACY_AGENT_TOOLS, *LEGACY_ACCOUNT_TOOLS)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_is_generated_is_up_to_date(document: Any) -> None:
    text = document.read_text(encoding="utf-8")
    assert text == written(text), "run: python -m tests.docs.generated"


def test_every_generated_block_stands_in_one_place() -> None:
    found = [name for document in DOCUMENTS for name in blocks_in(document.read_text(encoding="utf-8"))]
    assert sorted(found) == sorted(BLOCKS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_only_settings_that_exist_are_named(document: Any) -> None:
    named = set(re.findall(r"\bE2A_[A-Z0-9_]+\b", document.read_text(encoding="utf-8")))
    assert named <= {*setting_names(), "E2A_"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_only_tools_that_exist_are_named(document: Any) -> None:
    verbs = {name.partition("_")[0] for name in TOOLS if "_" in name} - {"get", "wait"}
    words = [
        word
        for word in ticked(document.read_text(encoding="utf-8"))
        if re.fullmatch(r"[a-z]+(_[a-z]+)+", word)
    ]
    # A name that looks like a tool's; prompts and members of results have names of that kind too.
    allowed = {"reply_to", "reply_all", "list_pending_messages", "send_in_progress", "review_queue"}
    allowed |= members_of_inputs()
    meant = {word for word in words if word.partition("_")[0] in verbs} - allowed
    assert meant <= TOOLS


def members_of_inputs() -> set[str]:
    """The names of what the tools take, at the top level."""
    tools = (*AGENT_TOOLS, *ACCOUNT_TOOLS)
    return {name for tool in tools for name in tool.arguments.model_fields}


def error_codes() -> dict[str, tuple[set[int], set[bool]]]:
    """Code -> the statuses and retryabilities of its classes; statuses given at a raise are not among them."""
    found: dict[str, tuple[set[int], set[bool]]] = defaultdict(lambda: (set(), set()))
    kinds: list[type[E2AError]] = [*all_error_types(), UnknownTool]
    for kind in kinds:
        if kind.__module__.startswith(("e2a_core.", "e2a_mcp.")):
            found[kind.code][0].add(kind.status)
            found[kind.code][1].add(kind.retryable)
    return found


def test_every_error_code_is_documented_with_its_status() -> None:
    documented = {ticked(row[0])[0]: row for row in table_rows("errors.md") if len(row) == 4}
    codes = error_codes()
    assert set(documented) == set(codes)
    for code, row in documented.items():
        statuses, retryable = codes[code]
        assert statuses <= {int(status) for status in row[1].split(" or ")}, code
        assert row[2] == ("yes" if True in retryable else "no"), code
        assert row[3].endswith("."), code


def documented_events() -> dict[str, list[tuple[set[str], set[str]]]]:
    """Type -> for each variant, the members always there and those sometimes there."""
    found = {}
    for row in table_rows("events.md"):
        variants = re.split(r"inbound: |; outbound: ", row[2])
        found[ticked(row[0])[0]] = [
            (set(ticked(re.sub(r"`\w+`\?", "", part))), set(re.findall(r"`(\w+)`\?", part)))
            for part in variants
            if part
        ]
    return found


def row(direction: str, *, full: bool) -> MessageRow:
    required: dict[str, Any] = {
        "id": "msg_1",
        "account_id": "usr_1",
        "agent_email": "assistant@agents.localhost",
        "direction": Direction(direction),
        "thread_id": "thr_1",
        "created_at": 0,
    }
    if not full:
        return MessageRow(**required)
    parts = {"submission": SubmissionRow(**filled(SubmissionRow)), "hold": HoldRow(**filled(HoldRow))}
    return MessageRow(**{**filled(MessageRow), **required, **parts})


def filled(part: type[MessageRow] | type[SubmissionRow] | type[HoldRow]) -> dict[str, Any]:
    """Something in each column."""
    some: dict[str, Any] = {
        "str": "x",
        "int": 1,
        "list[str]": ["x"],
        "list[dict[str, Any]]": [{"index": 0}],
        "Delivery": Delivery.SENT,
        "Method": Method.SMTP,
        "Review": Review.PENDING,
    }
    return {
        item.name: some.get(str(item.type).removesuffix(" | None"), {"kind": "list"}) for item in fields(part)
    }


def ledger(full: bool) -> list[Statement]:
    """The ledger of a write, if it has one."""
    decided = row("inbound", full=False)
    return [lifecycle.record(Ids(), decided, "review.approved", 1, dedupe="d")] if full else []


Payload = Callable[[MessageRow, bool], dict[str, Any]]
BOTH: dict[str, dict[str, Payload]] = {
    "email.received": {"inbound": lambda row, full: payloads.received(row, ledger(full))},
    "email.flagged": {"inbound": lambda row, full: payloads.flagged(row, "domain")},
    "email.blocked": {
        "inbound": lambda row, full: payloads.blocked_inbound(row, "why", "sender_gate"),
        "outbound": lambda row, full: payloads.blocked_outbound(
            "msgblk_1", row.agent_email, {"to": [], "cc": [], "bcc": []}, "s", "why", "recipient_gate"
        ),
    },
    "email.review_requested": {
        "inbound": lambda row, full: payloads.review_requested(row, "why", "sender_gate"),
        "outbound": lambda row, full: payloads.review_requested(row, "why", "recipient_gate", ledger(full)),
    },
    "email.review_approved": {
        "inbound": lambda row, full: payloads.review_approved(row, ledger(full), auto_resolved=full),
        "outbound": lambda row, full: payloads.review_approved(row, ledger(full), auto_resolved=full),
    },
    "email.review_rejected": {
        "inbound": lambda row, full: payloads.review_rejected(
            row, ledger(full), auto_resolved=full, reason_code="code" if full else None
        )
    },
    "email.sent": {"outbound": lambda row, full: payloads.sent(row, ledger(full))},
    "email.failed": {
        "outbound": lambda row, full: payloads.failed(row, "why", "code", ledger(full), retryable=full)
    },
    "email.bounced": {
        "outbound": lambda row, full: payloads.bounced(
            row, "a@b.example", "permanent", "550" if full else None, ledger(full)
        )
    },
    **{
        event_type: {"inbound": lambda row, full: inboxes.payload(row.agent_email)}
        for event_type in sorted(INBOX_TYPES)
    },
    "message.updated": {"inbound": lambda row, full: payloads.updated(row, "read")},
}


REPORTED = ("email.delivered", "email.complained")
"""Of these, the code makes the type from what a report says."""
BOTH |= {
    event_type: {
        "outbound": lambda row, full: bounces._outcome_data(
            row, Finding("a@b.example", Delivery.DELIVERED, "why", "250" if full else None), ledger(full)
        )
    }
    for event_type in REPORTED
}


def emitted_types() -> Iterator[str]:
    """The event types that the code writes, from the calls that write them."""
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            if getattr(node.func, "id", "") in {"emit", "emit_unique"}:
                named = node.args[1:2]
            elif ast.unparse(node.func) == "events.append":
                named = [keyword.value for keyword in node.keywords if keyword.arg == "type"]
            else:
                continue
            for argument in named:
                if path.name == "bounces.py" and isinstance(argument, ast.JoinedStr):
                    yield from REPORTED
                else:
                    assert isinstance(argument, ast.Constant), path
                    yield str(argument.value)


ENGAGEMENT: dict[str, Any] = {
    "agent_email": "bot@agents.example",
    "address": "a@b.example",
    "stage": "",
    "display_name": None,
    "metadata": "{}",
    "contact_metadata": None,
    "next_action_at": 1,
    "first_outbound_at": None,
    "last_outbound_at": None,
    "last_inbound_at": None,
    "outbound_count": 0,
    "inbound_count": 0,
    "outbound_conversation": None,
    "suppression_source": None,
    "suppression_reason": None,
    "created_at": 1,
    "updated_at": 1,
}
WRITTEN_TO = {"first_outbound_at": 1, "last_outbound_at": 1, "outbound_conversation": "conv_1"}

OTHERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "contact.due": (due.payload(ENGAGEMENT), due.payload({**ENGAGEMENT, **WRITTEN_TO})),
    "domain.sending_verified": (sending.verified("b.example"), sending.verified("b.example")),
    "domain.sending_failed": (sending.failed("b.example", None), sending.failed("b.example", "why")),
}
"""Of each type that is not about a message, `data` with the least and with the most members."""


def test_every_event_type_is_documented() -> None:
    written_types = set(emitted_types())
    assert set(documented_events()) == written_types == {*BOTH, *OTHERS, *suppression_members()}
    assert set(EVENT_TYPES) <= written_types


@pytest.mark.parametrize("event_type", OTHERS)
def test_the_members_of_other_events_are_documented(event_type: str) -> None:
    [(always, sometimes)] = documented_events()[event_type]
    least, most = OTHERS[event_type]
    assert (set(least), set(most)) == (always, always | sometimes)


@pytest.mark.parametrize("event_type", BOTH)
def test_the_members_of_each_event_are_documented(event_type: str) -> None:
    variants = documented_events()[event_type]
    assert len(variants) == len(BOTH[event_type])
    for (always, sometimes), (direction, payload) in zip(variants, BOTH[event_type].items(), strict=True):
        assert set(payload(row(direction, full=False), False)) == always
        assert set(payload(row(direction, full=True), True)) == always | sometimes


def suppression_members() -> dict[str, tuple[set[str], set[str]]]:
    """Type -> the members that the function which writes it always gives, and those it sometimes adds."""
    source = Path(entries.__file__).read_text(encoding="utf-8")
    found = {}
    for function in ast.parse(source).body:
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        nodes = list(ast.walk(function))
        [event_type] = [
            node.value.value
            for node in nodes
            if isinstance(node, ast.keyword) and node.arg == "type" and isinstance(node.value, ast.Constant)
        ]
        [given] = [node for node in nodes if isinstance(node, ast.Dict)]
        added = [
            node.slice
            for node in nodes
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)
        ]
        always, sometimes = (
            {item.value for item in items if isinstance(item, ast.Constant)} for items in (given.keys, added)
        )
        found[str(event_type)] = ({str(name) for name in always}, {str(name) for name in sometimes})
    return found


def test_the_members_of_suppression_events_are_documented() -> None:
    documented = documented_events()
    for event_type, members in suppression_members().items():
        assert documented[event_type] == [members]


def command_options() -> dict[str, set[str]]:
    """Each command's arguments and options, as its parser has them."""
    of_mcp = {option for action in mcp._parser()._actions for option in action.option_strings} - {
        "-h",
        "--help",
    }
    found = {command.words: {name for name, _ in command.options} for command in commands()}
    return {"e2a-mcp": of_mcp, "e2a": {"--version"}, **found}


def test_every_command_and_option_is_documented() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    parts = re.split(r"^#{2,3} `([^`]+)`$", text, flags=re.MULTILINE)
    documented = {
        name: {ticked(line)[0].split()[0] for line in part.splitlines() if line.startswith("| `")}
        for name, part in zip(parts[1::2], parts[2::2], strict=True)
    }
    assert documented == command_options()


def unread_settings() -> set[str]:
    """The settings that no code outside of the settings looks at."""
    sources = [
        path.read_text(encoding="utf-8")
        for path in (ROOT / "src").rglob("*.py")
        if path.name != "settings.py"
    ]
    code = "\n".join(sources)
    # What the settings themselves make others of: `effective_database_url`, `hostname`, `remote` and so on.
    own = (ROOT / "src/e2a_core/settings.py").read_text(encoding="utf-8").partition("def default_home")[0]
    return {
        item.metadata["env"]
        for item in fields(Settings)
        if not re.search(rf"\.{item.name}\b", code) and not re.search(rf"self\.{item.name}\b", own)
    }


def test_every_setting_has_an_effect() -> None:
    assert unread_settings() == set()
