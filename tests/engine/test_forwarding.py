"""A forward carries what the agent was shown: each file once, the letter whole, and pictures in their places."""

from __future__ import annotations

import re
from base64 import encodebytes
from collections import Counter
from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from urllib.parse import unquote

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.message_views import MessageView
from e2a_core.contract.sending import ForwardRequest, ReplyRequest, SendOptions
from tests.engine.mailbox import arrived
from tests.mail.winmail import MEETING, RTF, file_in, letter_in, winmail
from tests.support.home import ASSISTANT, Home

pytestmark = [pytest.mark.anyio, pytest.mark.local_only("what is composed does not depend on the door")]

AT_ONCE = SendOptions(wait="sent")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))
LETTER = "Content-Type: text/plain; charset=utf-8\n\nSee below.\n"
HTML = "Content-Type: text/html; charset=utf-8\n\n"
EVENT = "BEGIN:VCALENDAR\nMETHOD:REQUEST\nEND:VCALENDAR\n"
NESTED = "From: carol@example.org\nSubject: Inner\nContent-Type: text/plain\n\nInner letter.\n"
SPREADSHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Wire = EmailMessage


def mixed(*parts: str, kind: str = "mixed", boundary: str = "b1") -> str:
    inside = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"\n\n{inside}--{boundary}--\n'


def part(content_type: str, data: bytes, *fields: str) -> str:
    head = [f"Content-Type: {content_type}", "Content-Transfer-Encoding: base64", *fields]
    return "\n".join([*head, "", encodebytes(data).decode()])


def named(name: str) -> str:
    return f'Content-Disposition: attachment; filename="{name}"'


def files(wire: Wire) -> list[tuple[str, str, bytes]]:
    """(type, name, octets) of each part that is not the letter."""
    found = []
    for leaf in _leaves(wire):
        if leaf.get_filename():
            content = (
                leaf.get_content().as_bytes()
                if leaf.get_content_maintype() == "message"
                else leaf.get_payload(decode=True)
            )
            assert isinstance(content, bytes)
            found.append((leaf.get_content_type(), leaf.get_filename() or "", content))
    return found


def _leaves(entity: Wire) -> list[Wire]:
    if entity.get_content_maintype() == "multipart":
        inside = [item for item in entity.iter_parts() if isinstance(item, EmailMessage)]
        return [leaf for item in inside for leaf in _leaves(item)]
    return [entity]


def html_of(wire: Wire) -> str:
    found = wire.get_body(("html",))
    assert found is not None
    return str(found.get_content())


def text_of(wire: Wire) -> str:
    found = wire.get_body(("plain",))
    assert found is not None
    return str(found.get_content())


def with_pictures(count: int) -> Callable[[Wire], None]:
    """The HTML refers to `count` pictures, which are beside it in a multipart/related."""

    def check(wire: Wire) -> None:
        wanted = {unquote(item) for item in re.findall(r"cid:([^\"')]+)", html_of(wire))}
        related = next(item for item in wire.walk() if item.get_content_type() == "multipart/related")
        beside = {str(item["Content-ID"]).strip("<>") for item in related.iter_parts() if item["Content-ID"]}
        assert wanted == beside
        assert len(wanted) == count

    return check


def with_file(content_type: str, name: str, data: bytes) -> Callable[[Wire], None]:
    return lambda wire: _has(files(wire), (content_type, name, data))


def _has(found: list[tuple[str, str, bytes]], wanted: tuple[str, str, bytes]) -> None:
    assert [item for item in found if (item[0], item[1], item[2].rstrip()) == wanted]


def with_method(method: str) -> Callable[[Wire], None]:
    def check(wire: Wire) -> None:
        event = next(item for item in wire.walk() if item.get_content_type() == "text/calendar")
        assert event["Content-Type"].params["method"] == method
        assert "BEGIN:VCALENDAR" in event.get_content()

    return check


def without(content_type: str) -> Callable[[Wire], None]:
    def check(wire: Wire) -> None:
        assert content_type not in [kind for kind, _, _ in files(wire)]

    return check


def cid(content_id: str) -> str:
    return f"Content-ID: <{content_id}>"


def related(reference: str, content_id: str) -> str:
    shown = f'{HTML}<p>See <img src="{reference}"></p>\n'
    return mixed(shown, part("image/png", PNG, cid(content_id)), kind="related", boundary="r")


def nothing(_: Wire) -> None:
    """What every forward is checked for is enough."""


CONTAINER = winmail(letter_in("See  below."), file_in("plan.pdf", b"%PDF-1"), file_in("notes.txt", b"milk"))
KINDS = {
    "picture": (related("cid:logo@example.org", "logo@example.org"), with_pictures(1)),
    "picture, escaped": (related("cid:image001.png%4001DC.5A", "image001.png@01DC.5A"), with_pictures(1)),
    "picture, all escaped": (related("cid:a%2Bb%40x.example", "a+b@x.example"), with_pictures(1)),
    "picture, as entity": (related("cid:a&amp;b@x.example", "a&b@x.example"), nothing),
    "picture, capitals": (related("CID:logo@example.org", "logo@example.org"), nothing),
    "picture in a style": (
        mixed(
            f"{HTML}<div style=\"background:url('cid:bg@x.example')\">Hi</div>\n",
            part("image/png", PNG, cid("bg@x.example")),
            kind="related",
        ),
        with_pictures(1),
    ),
    "two pictures and a file between": (
        mixed(
            mixed(
                f'{HTML}<img src="cid:1@x.example"><img src="cid:2@x.example">\n',
                part("image/png", PNG, cid("1@x.example")),
                part("application/pdf", b"%PDF-1", named("a.pdf"), cid("3@x.example")),
                part("image/gif", b"GIF89a", cid("2@x.example")),
                kind="related",
                boundary="r",
            )
        ),
        with_pictures(2),
    ),
    "invitation beside the letter": (
        mixed(
            LETTER,
            f"{HTML}<p>Come</p>\n",
            f"Content-Type: text/calendar; method=REQUEST\n\n{EVENT}",
            kind="alternative",
        ),
        with_method("REQUEST"),
    ),
    "cancellation as a file": (
        mixed(
            LETTER, part('text/calendar; charset=utf-8; method="CANCEL"', EVENT.encode(), named("invite.ics"))
        ),
        with_method("CANCEL"),
    ),
    "nested message": (
        mixed(LETTER, f"Content-Type: message/rfc822\n\n{NESTED}"),
        lambda wire: _nested(wire, "Inner"),
    ),
    "nested message, 8-bit": (
        mixed(LETTER, f"Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n{NESTED}Grüße\n"),
        with_file("application/octet-stream", "Inner.eml", f"{NESTED}Grüße".replace("\n", "\r\n").encode()),
    ),
    "digest": (
        mixed(
            LETTER,
            mixed(f"\n{NESTED}", f"\n{NESTED.replace('Inner', 'Second')}", kind="digest", boundary="d"),
        ),
        lambda wire: _nested(wire, "Inner", "Second"),
    ),
    "nameless PDF": (
        mixed(LETTER, part("application/pdf", b"%PDF-1")),
        with_file("application/pdf", "part-2.pdf", b"%PDF-1"),
    ),
    "nameless spreadsheet": (
        mixed(LETTER, part(SPREADSHEET, b"PK")),
        with_file(SPREADSHEET, "part-2.xlsx", b"PK"),
    ),
    "nameless picture": (
        mixed(LETTER, part("image/heic", PNG, "Content-Disposition: inline")),
        with_file("image/heic", "part-2.heic", PNG),
    ),
    "CSV without a name": (
        mixed(LETTER, "Content-Type: text/csv; charset=iso-8859-1\n\na;b"),
        with_file("text/csv", "part-2.csv", b"a;b"),
    ),
    "CSV alone": ("Content-Type: text/csv\n\na,b", with_file("text/csv", "part-1.csv", b"a,b")),
    "PDF alone": (part("application/pdf", b"%PDF-1"), with_file("application/pdf", "part-1.pdf", b"%PDF-1")),
    "vCard": (
        mixed(LETTER, "Content-Type: text/vcard\n\nBEGIN:VCARD"),
        with_file("text/vcard", "part-2.vcf", b"BEGIN:VCARD"),
    ),
    "multipart/signed": (
        mixed(LETTER, part("application/pkcs7-signature", b"0\x80", named("smime.p7s")), kind="signed"),
        with_file("application/pkcs7-signature", "smime.p7s", b"0\x80"),
    ),
    "signed with OpenPGP": (
        mixed(LETTER, "Content-Type: application/pgp-signature\n\n-----BEGIN", kind="signed"),
        with_file("application/pgp-signature", "part-2.asc", b"-----BEGIN"),
    ),
    "winmail.dat": (
        mixed(LETTER, part("application/ms-tnef", CONTAINER, named("winmail.dat"))),
        with_file("application/octet-stream", "plan.pdf", b"%PDF-1"),
    ),
    "winmail.dat is not carried": (
        mixed(LETTER, part("application/ms-tnef", CONTAINER, named("winmail.dat"))),
        without("application/ms-tnef"),
    ),
    "winmail.dat as octets": (
        mixed(LETTER, part("application/octet-stream", CONTAINER, named("WINMAIL.DAT"))),
        lambda wire: _names(wire, "plan.pdf", "notes.txt"),
    ),
    "winmail.dat without a file": (
        mixed(LETTER, part("application/ms-tnef", winmail(), named("winmail.dat"))),
        with_file("application/ms-tnef", "winmail.dat", winmail()),
    ),
    "winmail.dat with another letter": (
        mixed(
            LETTER,
            part(
                "application/ms-tnef",
                winmail(letter_in("Other."), file_in("a.txt", b"a")),
                named("winmail.dat"),
            ),
        ),
        lambda wire: _names(wire, "part-3.txt", "a.txt"),
    ),
    "winmail.dat with a letter in RTF": (
        part("application/ms-tnef", winmail(RTF, file_in("a.txt", b"a")), named("winmail.dat")),
        lambda wire: _names(wire, "winmail.dat"),
    ),
    "winmail.dat with a letter in RTF too": (
        mixed(
            LETTER, part("application/ms-tnef", winmail(RTF, file_in("a.txt", b"a")), named("winmail.dat"))
        ),
        lambda wire: _names(wire, "a.txt"),
    ),
    "winmail.dat, cut": (
        mixed(LETTER, part("application/ms-tnef", CONTAINER[:-9], named("winmail.dat"))),
        lambda wire: _names(wire, "winmail.dat"),
    ),
    "winmail.dat without a letter": (
        part("application/ms-tnef", winmail(file_in("plan.pdf", b"%PDF-1")), named("winmail.dat")),
        lambda wire: _names(wire, "plan.pdf"),
    ),
    "winmail.dat of a meeting": (
        mixed(
            LETTER,
            part("application/ms-tnef", winmail(MEETING, file_in("a.txt", b"a")), named("winmail.dat")),
        ),
        lambda wire: _names(wire, "winmail.dat"),
    ),
    "name in 8 bits": (
        mixed(LETTER, part("application/pdf", b"%PDF-1", named("Grüße 2026.pdf"))),
        with_file("application/pdf", "Grüße 2026.pdf", b"%PDF-1"),
    ),
    "name in RFC 2231": (
        mixed(
            LETTER,
            part(
                "application/pdf",
                b"%PDF-1",
                "Content-Disposition: attachment; filename*=utf-8''%E8%A8%88.pdf",
            ),
        ),
        with_file("application/pdf", "計.pdf", b"%PDF-1"),
    ),
    "name in an encoded word": (
        mixed(LETTER, part('application/pdf; name="=?utf-8?B?6KiI?="', b"%PDF-1")),
        with_file("application/pdf", "計", b"%PDF-1"),
    ),
    "0 octets": (
        mixed(LETTER, part("application/pdf", b"", named("empty.pdf"))),
        with_file("application/pdf", "empty.pdf", b""),
    ),
    "0 octets, nameless": (
        mixed(LETTER, part("application/zip", b"")),
        with_file("application/zip", "part-2.zip", b""),
    ),
    "same name twice": (
        mixed(LETTER, part("text/plain", b"one", named("a.txt")), part("text/plain", b"two", named("a.txt"))),
        lambda wire: _names(wire, "a.txt", "a.txt"),
    ),
    "letter around a file": (
        mixed(LETTER, part("text/plain", b"file", named("a.txt")), "Content-Type: text/plain\n\nRegards\n"),
        lambda wire: _says(wire, "See below.", "Regards"),
    ),
    "unknown encoding": (
        mixed(
            LETTER,
            f"Content-Type: application/x-odd\nContent-Transfer-Encoding: x-odd\n{named('a.odd')}\n\nodd",
        ),
        with_file("application/x-odd", "a.odd", b"odd"),
    ),
    "report": (
        mixed(LETTER, "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n", kind="report"),
        lambda wire: _names(wire, "part-2.txt"),
    ),
}


def _nested(wire: Wire, *subjects: str) -> None:
    inside = [item.get_payload(0) for item in wire.walk() if item.get_content_type() == "message/rfc822"]
    assert [item["Subject"] for item in inside] == [*subjects]  # type: ignore[index]
    assert all("letter." in str(item) for item in inside)


def _names(wire: Wire, *names: str) -> None:
    assert [name for _, name, _ in files(wire)] == [*names]


def _says(wire: Wire, *words: str) -> None:
    assert all(word in text_of(wire) for word in words)


async def forwarded(
    home: Home, agent: Session, mail: str, **members: object
) -> tuple[MessageView, MessageView]:
    """The message as received, and the forward of it."""
    head = f"From: alice@example.org\nTo: {ASSISTANT}\nSubject: Plan\nMIME-Version: 1.0\n"
    assert (await home.deliver((head + mail).replace("\n", "\r\n").encode())).accepted
    parent = await arrived(agent)
    request = ForwardRequest.model_validate({"to": ["bob@example.org"], "text": "FYI", **members})
    result = await agent.messages.forward(ASSISTANT, parent.id, request, AT_ONCE)
    return parent, await agent.messages.get(ASSISTANT, result.message_id)


async def wire_of(agent: Session, message_id: str) -> Wire:
    return message_from_bytes(await agent.messages.raw(ASSISTANT, message_id), EmailMessage, policy=default)


async def octets(agent: Session, view: MessageView) -> list[bytes]:
    """The files of a message, each by the index that is listed, and as long as is listed."""
    found = []
    for at, meta in enumerate(view.attachments):
        content = await agent.messages.attachment_content(ASSISTANT, view.id, meta.index)
        assert (meta.index, content.meta) == (at, meta)
        assert meta.filename
        found.append(content.data)
    return found


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_listed_is_forwarded_once(home: Home, agent: Session, kind: str) -> None:
    mail, check = KINDS[kind]
    parent, sent = await forwarded(home, agent, mail)
    wire = await wire_of(agent, sent.id)
    check(wire)
    listed = Counter(data.rstrip() for data in await octets(agent, parent))
    carried = Counter(data.rstrip() for data in await octets(agent, sent))
    assert carried <= listed
    left_out = {data[:4] for data in listed - carried}
    assert left_out <= {b"See ", *(data[:4] for data in listed if data.startswith(winmail()[:4]))}


@pytest.mark.parametrize(
    ("content_type", "line"), [("text/plain", "line {:06}\n"), ("text/html", "<p>line {:06}</p>\n")]
)
async def test_a_letter_beyond_the_limits_of_reading_is_forwarded_whole(
    home: Home, agent: Session, content_type: str, line: str
) -> None:
    count = 100_000 if content_type == "text/html" else 40_000
    lines = "".join(map(line.format, range(count)))
    parent, sent = await forwarded(home, agent, f"Content-Type: {content_type}\n\n{lines}")
    assert parent.parsed is not None
    assert parent.parsed.truncated
    wire = await wire_of(agent, sent.id)
    whole = html_of(wire) if content_type == "text/html" else text_of(wire)
    assert whole.count("line ") == count
    if content_type == "text/html":
        assert text_of(wire).rstrip().endswith("[The text ends here. The HTML part has the rest.]")


async def test_a_letter_that_is_too_long_for_a_letter_goes_along_as_a_message(
    home: Home, agent: Session
) -> None:
    lines = "".join(map("line {:07}\n".format, range(400_000)))
    _, sent = await forwarded(home, agent, f"Content-Type: text/plain\n\n{lines}")
    wire = await wire_of(agent, sent.id)
    assert text_of(wire).rstrip().endswith("[The text ends here. The attached message has the rest.]")
    whole = next(item for item in wire.walk() if item.get_content_type() == "message/rfc822")
    assert "line 0399999" in str(whole)


async def test_an_answer_quotes_the_whole_letter(home: Home, agent: Session) -> None:
    lines = "".join(f"line {number:06}\r\n" for number in range(40_000))
    assert (await home.deliver(text=lines.replace("\r\n", "\n"))).accepted
    parent = await arrived(agent)
    request = ReplyRequest(text="Yes.", quote_history=True)
    result = await agent.messages.reply(ASSISTANT, parent.id, request, AT_ONCE)
    assert text_of(await wire_of(agent, result.message_id)).count("> line ") == 40_000


async def test_all_text_parts_are_forwarded(home: Home, agent: Session) -> None:
    letters = [f"Content-Type: text/plain\n\npiece {number}\n" for number in range(70)]
    parent, sent = await forwarded(home, agent, mixed(*letters))
    assert parent.parsed is not None
    assert any("after the first 50" in note for note in parent.parsed.notes or [])
    assert text_of(await wire_of(agent, sent.id)).count("piece ") == 70


async def test_parts_beyond_the_limit_go_along_in_the_message_itself(home: Home, agent: Session) -> None:
    many = [part("application/pdf", b"%d" % number, named(f"{number}.pdf")) for number in range(1010)]
    parent, sent = await forwarded(home, agent, mixed(LETTER, *many))
    assert parent.parsed is not None
    assert any("are not listed" in note for note in parent.parsed.notes or [])
    wire = await wire_of(agent, sent.id)
    whole = next(item for item in wire.walk() if item.get_content_type() == "message/rfc822")
    assert 'filename="1009.pdf"' in str(whole)


async def test_the_list_of_sent_mail_counts_as_its_parts_do(home: Home, agent: Session) -> None:
    """Pictures come before files in the message, whatever their order in the request."""
    mail = mixed(
        part("application/pdf", b"%PDF-1", named("a.pdf")),
        related("cid:logo@example.org", "logo@example.org"),
    )
    _, sent = await forwarded(home, agent, mail)
    assert [item.content_type for item in sent.attachments] == ["image/png", "application/pdf"]
    assert await octets(agent, sent) == [PNG, b"%PDF-1"]
