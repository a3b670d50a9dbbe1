"""Separates the new part of a message from the text it quotes, and writes quotes for replies and forwards.

A quote starts at an attribution line, at `>` lines, or at the header block that Outlook puts above the original. A
forwarded message does not count as a quote, because the sender forwards it to be read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from html import escape

from e2a_core.mail.quote_marks import (
    block_field,
    ends_attribution,
    has_address,
    has_date,
    has_date_or_address,
    is_attribution,
    is_forward_mark,
    is_original_mark,
    is_quoted,
    is_rule,
    is_zoho_attribution,
    possible_marks,
)

__all__ = [
    "Original",
    "forward_html",
    "forward_text",
    "quote_history",
    "quote_history_html",
    "split_quoted",
    "tidy",
]

MAX_ATTRIBUTION_LINES = 4
"""Lines one attribution may span: clients wrap at 72 to 78 columns."""
HEADER_BLOCK_LINES = 8
"""Lines searched for a header block: From, Sent, To, Cc and Subject, some of them wrapped."""

_DIVIDER = "---------- Forwarded message ---------"
_OPEN_ADDRESS = re.compile(r"<[^<>\s]+@[^<>\s]+\Z")
_BLANK_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Original:
    """The forwarded message, as shown in the header block; empty values are omitted."""

    header_from: str
    date: datetime | None
    subject: str
    to: Sequence[str]
    cc: Sequence[str]
    text: str
    html: str | None = None


def tidy(text: str) -> str:
    """`text` with LF line ends and without trailing blanks, runs of empty lines, and empty lines at either end."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _join([line.rstrip() for line in text.split("\n")])


def split_quoted(text: str, *, forwarded: bool = False, reply: bool = True) -> tuple[str, str]:
    """(new part, quoted part) of a body returned by `tidy`; either may be "".

    Set `forwarded` if the subject marks a forward: then Outlook's header block introduces the forwarded message, not
    a quote. Unset `reply` if neither header fields nor the subject say that the message is an answer: then `>` lines
    and attributions need more evidence. An answer below a quote is the new part; answers between
    quotes are returned together with the quotes.
    """
    lines = text.split("\n")
    found = _find_quote(lines, forwarded, reply)
    if found is None:
        return text, ""
    start, body = found
    if body < len(lines) and is_quoted(lines[body]):
        return _split_marked(lines, start, body)
    above = _join(lines[:start])
    # If nothing precedes a quote without `>` marks, new text cannot be distinguished from quoted text.
    return (above, _join(lines[start:])) if above else (text, "")


def _find_quote(lines: list[str], forwarded: bool, reply: bool) -> tuple[int, int] | None:
    """(first line of the quote including its attribution, first quoted line); None if nothing is quoted."""
    for at in possible_marks(lines):
        line = lines[at]
        if is_forward_mark(line):
            return None
        if is_quoted(line) and not _closes_address(lines, at):
            if reply or _attributed_inside(lines, at):
                return at, at
            continue
        if is_zoho_attribution(line):
            return at, _next_written(lines, at + 1)
        if line[-1] in ":：" and (start := _attribution_start(lines, at)) is not None:
            body = _next_written(lines, at + 1)
            if reply or has_address(line) or (body < len(lines) and is_quoted(lines[body])):
                return start, body
        if forwarded:
            continue
        if is_original_mark(line):
            return at, _next_written(lines, at + 1)
        if block_field(line) and _is_header_block(lines, at, reply):
            above = _last_written(lines, at - 1)
            return (above if above >= 0 and is_rule(lines[above]) else at), at
    return None


def _closes_address(lines: list[str], at: int) -> bool:
    """Whether the `>` that begins the line closes the address at the end of the line above, which was wrapped."""
    return at > 0 and lines[at].startswith(">") and _OPEN_ADDRESS.search(lines[at - 1][-320:]) is not None


def _attributed_inside(lines: list[str], at: int) -> bool:
    """Whether the `>` lines begin with their own attribution, as Apple Mail writes it."""
    inside = [line.lstrip("> ") for line in lines[at : at + MAX_ATTRIBUTION_LINES] if is_quoted(line)]
    return any(is_attribution(" ".join(inside[: count + 1])) for count in range(len(inside)))


def _attribution_start(lines: list[str], end: int) -> int | None:
    """The first line of the attribution that ends on line `end`; None if no attribution ends there."""
    joined, dated, wrapped = "", None, False
    for start in range(end, max(end - MAX_ATTRIBUTION_LINES, -1), -1):
        if not lines[start] or (start < end and lines[start][-1] in ":：.!?"):
            break
        joined = f"{lines[start]}{'' if joined.startswith('>') else ' '}{joined}".rstrip()
        if is_attribution(joined):
            return start
        if wrapped and dated is None and ends_attribution(joined) and has_date(joined):
            dated = start
        wrapped = wrapped or _closes_address(lines, start)
    if dated is not None:
        return dated
    if not ends_attribution(lines[end]):
        return None
    following = _next_written(lines, end + 1)
    before_quote = following < len(lines) and is_quoted(lines[following])
    return end if before_quote or has_date_or_address(lines[end]) else None


def _split_marked(lines: list[str], start: int, body: int) -> tuple[str, str]:
    """Split at a quote of `>` lines, which new text may follow."""
    end = _quote_end(lines, body)
    above, below = _join(lines[:start]), _join(lines[end:])
    if not below:
        return above, _join(lines[start:])
    unattributed_inside = bool(above) and start == body
    if unattributed_inside or any(is_quoted(line) for line in lines[end:]):
        return _answers_between(lines)
    return (f"{above}\n\n{below}" if above else below), _join(lines[start:end])


def _answers_between(lines: list[str]) -> tuple[str, str]:
    """Keep answers and the quotes between them as the new part; only a quote at the end is split off."""
    last = len(lines)
    while last and (not lines[last - 1] or is_quoted(lines[last - 1])):
        last -= 1
    return _join(lines[:last]), _join(lines[last:])


def _quote_end(lines: list[str], start: int) -> int:
    """The index after the last `>` line of the quote, which may contain empty lines."""
    end = start
    for at in range(start, len(lines)):
        if is_quoted(lines[at]):
            end = at + 1
        elif lines[at]:
            break
    return end


def _is_header_block(lines: list[str], start: int, reply: bool) -> bool:
    """Whether a header block begins here: its fields in any order, and evidence that it is none of a form or ticket.

    Evidence is an address in From; in an answer also a subject and a date.
    """
    fields: dict[str, str] = {}
    for line in lines[start : start + HEADER_BLOCK_LINES]:
        if not line and fields:
            break
        name = block_field(line)
        if name:
            fields.setdefault(name, line)
        elif fields:
            last = next(reversed(fields))
            fields[last] += f" {line}"
    if len(fields) < 3 or "from" not in fields or not {"date", "subject"} & fields.keys():
        return False
    dated = "date" in fields and has_date(fields["date"])
    return has_address(fields["from"]) or (reply and "subject" in fields and dated)


def _next_written(lines: list[str], start: int) -> int:
    while start < len(lines) and not lines[start]:
        start += 1
    return start


def _last_written(lines: list[str], start: int) -> int:
    while start >= 0 and not lines[start]:
        start -= 1
    return start


def _join(lines: Sequence[str]) -> str:
    text = "\n".join(lines).strip("\n")
    return _BLANK_LINES.sub("\n\n", text) if "\n\n\n" in text else text


def quote_history(text: str, *, sender: str, date: datetime | None) -> str:
    """The quote below a reply: the attribution, then the original as `>` lines (RFC 3676 section 4.5)."""
    quoted = [f">{line}" if line.startswith(">") else f"> {line}".rstrip() for line in tidy(text).split("\n")]
    return "\n".join([_attribution(sender, date), *quoted])


def quote_history_html(html: str, *, sender: str, date: datetime | None) -> str:
    """The quote below an HTML reply: the attribution, then `html`, the body of the original, as a blockquote."""
    return (
        f'<div class="gmail_quote"><div class="gmail_attr">{escape(_attribution(sender, date))}</div>'
        '<blockquote type="cite" style="margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex">'
        f"{html}</blockquote></div>"
    )


def forward_text(comment: str, original: Original) -> str:
    """The text body of a forward: comment, divider, header block, original; with CRLF line ends."""
    block = "\n".join(f"{name}: {value}" for name, value in _header_block(original))
    body = f"{_DIVIDER}\n{block}\n\n{original.text}"
    return _crlf(f"{comment}\n\n{body}" if comment else body)


def forward_html(comment_html: str, original: Original) -> str:
    """The HTML body of a forward, with CRLF line ends; an original without HTML is shown preformatted."""
    block = "".join(f"<b>{escape(name)}:</b> {escape(value)}<br>" for name, value in _header_block(original))
    quoted = original.html if original.html is not None else f"<pre>{escape(original.text)}</pre>"
    comment = f"<div>{comment_html}</div><br>" if comment_html else ""
    return _crlf(f"{comment}<div>{_DIVIDER}<br>{block}</div><br><blockquote>{quoted}</blockquote>")


def _header_block(original: Original) -> list[tuple[str, str]]:
    fields = [
        ("From", original.header_from),
        ("Date", format_datetime(original.date) if original.date else ""),
        ("Subject", original.subject),
        ("To", ", ".join(original.to)),
        ("Cc", ", ".join(original.cc)),
    ]
    return [(name, value) for name, value in fields if value]


def _attribution(sender: str, date: datetime | None) -> str:
    return f"On {format_datetime(date)}, {sender} wrote:" if date else f"{sender} wrote:"


def _crlf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
