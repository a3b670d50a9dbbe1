"""Renders mail for a model: the sender's words are fenced, with the verdict on the sender beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from e2a_core.contract.message_views import Authentication, MessageSummaryView, MessageView
from e2a_core.ids import Ids
from e2a_mcp.fence import Fence, plain_line

__all__ = [
    "MAX_ADDRESSES",
    "ROW_FIELDS",
    "attachment_link",
    "conversation_lines",
    "evidence",
    "fence_rows",
    "has_others_words",
    "mail_uri",
    "message_head",
    "message_lines",
    "names_of",
    "page_line",
    "sender",
    "shown_id",
    "source_link",
    "trust",
    "with_few_addresses",
]

MAX_LINK_NAME = 120
MAX_ID = 200
MAX_WORDS = 3
"""Words of an id that is taken for one."""
ROW_FIELDS = (
    *("header_from", "from_name", "envelope_from", "to", "cc", "reply_to", "names", "delivered_to", "tag"),
    *("subject", "preview", "conversation_id", "delivery_detail", "flag_reason", "auto_submitted"),
)
"""The members of a summary row that others may have written."""

MAX_ADDRESSES = 20
"""Addresses shown of each list in a result; a message may have more."""

MAX_NAME = 100
"""Characters shown of a display name."""
NO_AUTHOR = "(no readable address in From)"
_PLAIN_NAME = re.compile(r"[^@<>\"]+")
_PLAIN_ID = re.compile(r"[\w.:@/+=~-]{1,120}", re.ASCII)
_OWN_ID = re.compile(r"[a-z]{2,8}_[0-9a-f]{24,32}", re.ASCII)
"""Ids of this package, which most are: tried first because it takes a tenth of the time of the others."""
_WORDS = re.compile(r"(?=[A-Za-z]*[G-Zg-z])[A-Za-z]{3,}", re.ASCII)
"""Words, unlike the letters of a hexadecimal number."""
_HOST = re.compile(r"(?:[\w.+-]{1,64}@)?[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,4}", re.ASCII)
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_ADDRESS_LISTS = ("to", "cc", "bcc", "reply_to")


def mail_uri(email: str, *path: str) -> str:
    """Returns the resource URI of something in an inbox."""
    return "/".join([f"mail://{quote(email, safe='@+')}", *(quote(part, safe="") for part in path)])


def trust(proven: str | None, authentication: Authentication | None = None) -> str:
    """Returns the verdict on the sender in one word.

    `verified`: the Author Domain is proven. `partial`: it is, by a signature that does not cover all that is shown.
    `failed`: DMARC failed for it. `unverified`: none of these. `proven` names the domain, or the agent of this
    deployment, that is proven to be the author.
    """
    if proven:
        return "verified"
    if authentication is not None and authentication.dmarc.status == "fail":
        return "failed"
    if authentication is not None and authentication.coverage == "partial":
        return "partial"
    return "unverified"


def evidence(
    fence: Fence,
    verified_domain: str | None,
    authentication: Authentication | None,
    author_agent: str | None = None,
) -> str:
    """Returns the evidence for the verdict: `example.org dmarc=pass spf=pass dkim=pass(example.org)`."""
    if authentication is None:
        return "an agent of this deployment" if author_agent else verified_domain or ""
    parts = [verified_domain] if verified_domain else []
    parts += [f"dmarc={authentication.dmarc.status}", f"spf={authentication.spf.status}"]
    parts += [
        f"dkim={result.status}" + (f"({shown_id(fence, result.domain)})" if result.domain else "")
        for result in authentication.dkim[:3]
    ]
    if authentication.unsigned:
        parts.append(f"unsigned={','.join(authentication.unsigned)}")
    return " ".join(parts)


def fence_rows(ids: Ids, views: Sequence[MessageSummaryView]) -> tuple[Fence, list[dict[str, Any]]]:
    """Returns summary rows with the verdict on the sender, each text on one line, and previews fenced.

    Previews of sent mail are fenced too if they may repeat a sender's words: an answer repeats the subject, a forward
    the text.
    """
    told: list[str | None] = []
    for view in views:
        told += (view.subject, view.preview, view.header_from, view.from_name)
        told += names_of(view).values()
    fence = Fence(ids, told)
    shown = []
    for view in views:
        row = with_few_addresses(view.to_wire())
        row.pop("verdict", None)
        row["subject"] = plain_line(row["subject"])
        if row.get("from_name"):
            row["from_name"] = plain_line(row["from_name"], MAX_NAME)
        if row.get("preview") and has_others_words(view):
            row["preview"] = fence.inline(plain_line(row["preview"]))
        if row["direction"] == "inbound":
            row["trust"] = view.verdict or trust(view.verified_domain or view.author_agent)
        shown.append(row)
    return fence, shown


def has_others_words(view: MessageSummaryView | MessageView) -> bool:
    """Returns True unless the message is new mail that the agent wrote itself.

    Fencing that too would teach a model to ignore the fence.
    """
    return view.type != "send"


def with_few_addresses(members: dict[str, Any]) -> dict[str, Any]:
    """Shortens long address lists, and adds their full length as `to_count` and so on; names are those of the rest."""
    for name in _ADDRESS_LISTS:
        if len(addresses := members.get(name) or ()) > MAX_ADDRESSES:
            members |= {name: addresses[:MAX_ADDRESSES], f"{name}_count": len(addresses)}
    if not members.get("names"):
        members.pop("names", None)
        return members
    shown = {address for name in _ADDRESS_LISTS for address in members.get(name) or ()}
    names = [
        {"address": item["address"], "name": plain_line(item["name"], MAX_NAME)}
        for item in members.pop("names")
        if item["address"] in shown
    ]
    return {**members, "names": names} if names else members


def names_of(view: MessageSummaryView | MessageView) -> dict[str, str]:
    """Returns the display names of To, Cc and Reply-To by their addresses."""
    return {item.address: item.name for item in view.names or ()}


def sender(address: str | None, name: str | None) -> str:
    """Returns the author, or a recipient, as `Name <address>`; a name that could be taken for an address is quoted."""
    if not address:
        return NO_AUTHOR
    shown = plain_line(name, MAX_NAME)
    if not shown:
        return plain_line(address)
    if not _PLAIN_NAME.fullmatch(shown):
        shown = '"' + shown.replace('"', "'") + '"'
    return f"{shown} <{plain_line(address)}>"


def shown_id(fence: Fence, text: str, limit: int = MAX_ID) -> str:
    """Returns an id that a sender may have chosen: unchanged if it looks like an id, a host or an address, else fenced.

    A sentence with hyphens between its words does not.
    """
    plain = (
        _OWN_ID.fullmatch(text)
        or _HOST.fullmatch(text)
        or (_PLAIN_ID.fullmatch(text) and len(_WORDS.findall(text)) <= MAX_WORDS)
    )
    return text if plain else fence.inline(plain_line(text, limit))


def message_lines(fence: Fence, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns two lines for each summary row: what this server knows, then the sender's words, fenced."""
    lines = [fence.notice] if any(row.get("type") != "send" for row in rows) else []
    for row in rows:
        lines.append(_row_head(fence, row))
        if row["direction"] == "inbound":
            preview = str(row.get("preview") or "")
            said = preview.removeprefix(f"<<{fence.marker}>>").removesuffix(f"<</{fence.marker}>>")
            parts = [
                f"From: {sender(row.get('header_from'), row.get('from_name'))}",
                f"Subject: {row['subject']}",
                said,
            ]
            if row.get("found_in"):
                parts.append("found in " + ", ".join(plain_line(name, 120) for name in row["found_in"]))
            lines.append(fence.inline(" | ".join(part for part in parts if part)))
        else:
            to = ", ".join(plain_line(address, 80) for address in row["to"][:5])
            words = f"To: {to} | Subject: {row['subject']}"
            preview = str(row.get("preview") or "")
            said = preview.removeprefix(f"<<{fence.marker}>>").removesuffix(f"<</{fence.marker}>>")
            words += f" | {plain_line(said)}" if said else ""
            lines.append(words if row.get("type") == "send" else fence.inline(words))
    return lines


def _row_head(fence: Fence, row: Mapping[str, Any]) -> str:
    parts = [row["id"], row["created_at"], row["direction"]]
    if row["direction"] == "inbound":
        proven = row.get("verified_domain") or ("agent" if row.get("author_agent") else None)
        parts += [row["read_status"], f"{row['trust']}:{proven}" if proven else row["trust"]]
        if row.get("answered"):
            parts.append("answered")
    parts += _fate(row)
    for name in ("conversation_id", "thread_id"):
        if row.get(name):
            parts.append(shown_id(fence, row[name]))
    if row["labels"]:
        parts.append("labels=" + ",".join(row["labels"]))
    if row.get("attachment_count"):
        parts.append(f"attachments={row['attachment_count']}")
    if row.get("auto_submitted"):
        parts.append("automatic")
    if row.get("flagged"):
        parts.append("flagged")
    return " ".join(parts)


def _fate(members: Mapping[str, Any]) -> list[str]:
    """Returns what became of sent mail, including its review if there was one."""
    status, review = members.get("delivery_status"), members.get("review_status")
    words = [status] if status else []
    if review and review != "sent":
        words.append(review)
    if members.get("deleted_at") and status == "accepted":
        words.append("called off")
    elif members.get("scheduled_at") and status == "accepted":
        words.append(f"leaves={members['scheduled_at']}")
    return words


def page_line(count: int, thing: str, place: str, cursor: str | None) -> str:
    """Returns a line with the number of rows on the page and the cursor of the next one."""
    more = f"; more with cursor={cursor}" if cursor else ""
    ending = "" if count == 1 else "es" if thing.endswith("s") else "s"
    return f"{count} {thing}{ending} in {place}{more}"


def message_head(view: MessageView, email: str, fence: Fence) -> list[str]:
    """Returns what is known about a message, one fact a line; what others wrote about it is fenced."""
    members = view.model_dump(
        mode="json", include={"created_at", "delivery_status", "review_status", "scheduled_at", "deleted_at"}
    )
    lines = [f"{view.id} {view.direction} in {email} {members['created_at']}"]
    if view.direction == "inbound":
        word = view.verdict or trust(view.verified_domain or view.author_agent, view.authentication)
        proof = evidence(fence, view.verified_domain, view.authentication, view.author_agent)
        lines.append(f"sender: {word}" + (f" ({proof})" if proof else ""))
    facts = [f"conversation={shown_id(fence, view.conversation_id)}"] if view.conversation_id else []
    facts += [
        f"{name}={value}"
        for name, value in {
            "read_status": " ".join(
                word for word in (view.read_status, "answered" if view.answered else "") if word
            ),
            "status": " ".join(_fate(members)),
            "content_hash": view.content_hash,
        }.items()
        if value
    ]
    if view.labels:
        facts.append("labels=" + ",".join(view.labels))
    if view.auto_submitted:
        facts.append(f"automatic={shown_id(fence, view.auto_submitted.kind)}")
    if view.flagged:
        facts.append("flagged")
    if view.deleted_at:
        facts.append(f"in the trash since {members['deleted_at']}")
    if view.hold_reason:
        facts.append(f"held={plain_line(view.hold_reason.code, 80)}")
    said = {
        "held": view.hold_reason.sentences[1] if view.hold_reason else None,
        "flagged": view.flag_reason,
        "rejected": view.rejection_reason,
        "delivery": view.delivery_detail,
    }
    told = [f"{name}: {fence.inline(plain_line(text, 500))}" for name, text in said.items() if text]
    return [*lines, *([" ".join(facts)] if facts else []), *told]


def attachment_link(
    email: str, message_id: str, meta: Mapping[str, Any], fence: Fence | None
) -> dict[str, Any]:
    """Returns the resource link of one attachment. With `fence` a sender chose its name and content."""
    name = plain_line(meta.get("filename"), MAX_LINK_NAME)
    link: dict[str, Any] = {
        "type": "resource_link",
        "uri": mail_uri(email, "messages", message_id, "attachments", str(meta["index"])),
        "name": (fence.inline(name) if fence and name else name) or f"attachment {meta['index']}",
        "size": meta["size_bytes"],
    }
    kind = plain_line(meta.get("content_type"), MAX_LINK_NAME)
    if _MEDIA_TYPE.fullmatch(kind):
        link["mimeType"] = kind
    if fence:
        link["_meta"] = {"dev.e2a/untrusted": True}
    return link


def source_link(email: str, view: MessageView) -> dict[str, Any]:
    """Returns the resource link of the message as handed on, with its size if that is known."""
    link: dict[str, Any] = {
        "type": "resource_link",
        "uri": mail_uri(email, "messages", view.id, "raw"),
        "name": "message source",
        "mimeType": "message/rfc822",
        "_meta": {"dev.e2a/untrusted": True},
    }
    return link if view.size_bytes is None else {**link, "size": view.size_bytes}


def conversation_lines(fence: Fence, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns two lines for each conversation row."""
    lines = [fence.notice] if rows else []
    for row in rows:
        unread = " unread" if row["has_unread"] else ""
        head = (
            f"{shown_id(fence, row['id'])} {row['last_message_at']} messages={row['message_count']}{unread}"
        )
        lines.append(head)
        author = sender(row["latest_from"], row.get("latest_from_name"))
        words = f"From: {author} | Subject: {plain_line(row['latest_subject'])}"
        lines.append(fence.inline(words))
    return lines
