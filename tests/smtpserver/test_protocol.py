"""The dialogue: every command, its replies, and what reaches the receiver."""

from __future__ import annotations

import asyncio
import smtplib
from email.message import EmailMessage

import pytest

from e2a_core.contract.limits import MAX_MESSAGE_OCTETS
from tests.smtpserver.support import MemoryReceiver, connect, listening

pytestmark = pytest.mark.anyio


async def test_ehlo_announces_what_is_offered_and_nothing_else() -> None:
    async with listening(MemoryReceiver()) as listener, connect(listener) as client:
        assert await client.reply() == "220 mx.test ESMTP e2a"
        assert (await client.ask(b"EHLO client.test")).split("\n") == [
            "250-mx.test",
            "250-PIPELINING",
            f"250-SIZE {MAX_MESSAGE_OCTETS}",
            "250-8BITMIME",
            "250-SMTPUTF8",
            "250-ENHANCEDSTATUSCODES",
            "250 LIMITS RCPTMAX=100",
        ]
        assert await client.ask(b"HELO client.test") == "250 mx.test"


async def test_a_message_reaches_the_receiver_as_sent() -> None:
    receiver = MemoryReceiver()
    async with listening(receiver) as listener, connect(listener) as client:
        await client.greet()
        await client.begin(b"<Bot+News@Agents.test>", b"<two@agents.test>")
        await client.send(b"Subject: x\r\n\r\n..stuffed\r\n...\r\nlast\r\n.\r\n")
        assert await client.reply() == "250 2.0.0 queued as q1"
        assert await client.ask(b"QUIT") == "221 2.0.0 bye"
        assert await client.reply() == ""
    [(envelope, content)] = receiver.messages
    assert content == b"Subject: x\r\n\r\n.stuffed\r\n..\r\nlast\r\n"
    assert envelope.mail_from == "sender@example.org"
    assert [(r.address, r.agent, r.tag) for r in envelope.recipients] == [
        ("Bot+News@Agents.test", "bot@agents.test", "news"),
        ("two@agents.test", "two@agents.test", None),
    ]
    assert (envelope.peer.ip, envelope.peer.helo) == ("127.0.0.1", "client.test")
    assert (envelope.peer.tls, envelope.peer.esmtp, envelope.smtp_utf8) == (False, True, False)


async def test_the_standard_client_delivers() -> None:
    receiver = MemoryReceiver()
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "sender@example.org", "bot@agents.test", "Grüße"
    message.set_content("ä line\n.\n..\n" + "x" * 5000 + "\n", cte="8bit")

    def deliver(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as smtp:
            for _ in range(3):
                assert smtp.send_message(message) == {}

    async with listening(receiver) as listener:
        await asyncio.to_thread(deliver, listener.addresses[0][1])
        assert listener.counters.accepted == 3
    assert len({content for _, content in receiver.messages}) == 1
    assert b"\r\n.\r\n..\r\n" + b"x" * 5000 + b"\r\n" in receiver.messages[0][1]


async def test_null_sender_source_route_and_postmaster() -> None:
    receiver = MemoryReceiver()
    async with listening(receiver) as listener, connect(listener) as client:
        await client.greet(b"HELO client.test")
        await client.begin(b"<@relay.test,@other.test:bot@agents.test>", b"<Postmaster>", sender=b"<>")
        assert await client.ask(b".") == "250 2.0.0 queued as q1"
    [(envelope, content)] = receiver.messages
    assert content == b""
    assert envelope.mail_from == ""
    assert [r.address for r in envelope.recipients] == ["bot@agents.test", "Postmaster"]
    assert not envelope.peer.esmtp


@pytest.mark.parametrize(
    ("recipient", "reply"),
    [
        (b"<nobody@agents.test>", "550 5.1.1 no such mailbox here"),
        (b"<trashed@agents.test>", "550 5.2.1 mailbox disabled"),
        (b"<full@agents.test>", "552 5.2.2 mailbox quota exceeded"),
        (b"<down@agents.test>", "451 4.3.0 temporary failure, try again later"),
        (b"<broken@agents.test>", "451 4.3.0 temporary failure, try again later"),
        (b"<>", "501 5.1.3 empty recipient address"),
        (b"<a b@agents.test>", "501 5.1.3 malformed recipient address"),
        (b"<bot@agents.test> NOTIFY=NEVER", "555 5.5.4 unknown RCPT parameter"),
        ("<böt@agents.test>".encode(), "553 5.6.7 address requires SMTPUTF8"),
        (b"", "501 5.5.4 expected RCPT TO:<address>"),
    ],
)
async def test_a_refused_recipient_leaves_the_others(recipient: bytes, reply: str) -> None:
    receiver = MemoryReceiver()
    async with listening(receiver) as listener, connect(listener) as client:
        await client.greet()
        await client.ask(b"MAIL FROM:<sender@example.org>")
        assert await client.ask(b"RCPT TO:" + recipient) == reply
        assert await client.ask(b"DATA") == "554 5.5.1 no valid recipients"
        assert await client.ask(b"RCPT TO:<bot@agents.test>") == "250 2.1.5 OK"
        assert (await client.ask(b"DATA")).startswith("354 ")
        assert await client.ask(b"x\r\n.") == "250 2.0.0 queued as q1"
    assert [r.agent for r in receiver.messages[0][0].recipients] == ["bot@agents.test"]


@pytest.mark.parametrize(
    ("want", "reply", "counter"),
    [
        (b"loop", "554 5.4.6 mail loop detected", "refused_loop"),
        (b"refusal", "554 5.7.1 not that", "refused_message"),
        (b"store-down", "451 4.3.0 temporary failure, try again later", "tempfail"),
        (b"defect", "451 4.3.0 temporary failure, try again later", "tempfail"),
    ],
)
async def test_a_refused_message_ends_the_transaction_only(want: bytes, reply: str, counter: str) -> None:
    receiver = MemoryReceiver()
    async with listening(receiver) as listener, connect(listener) as client:
        await client.greet()
        await client.begin()
        assert await client.ask(b"X-Want: " + want + b"\r\n\r\n.") == reply
        assert await client.ask(b"DATA") == "503 5.5.1 say MAIL first"
        await client.begin()
        assert await client.ask(b"x\r\n.") == "250 2.0.0 queued as q1"
        assert listener.counters.as_dict()[counter] == 1
        assert listener.counters.accepted == 1


@pytest.mark.parametrize(
    ("argument", "reply"),
    [
        (b"FROM:<s@example.org> SIZE=41943040 BODY=8bitmime SMTPUTF8", "250 2.1.0 OK"),
        (b"from: <s@example.org>", "250 2.1.0 OK"),
        ('FROM:<"quoted part"@exämple.org> SMTPUTF8'.encode(), "250 2.1.0 OK"),
        (b"FROM:<s@[192.0.2.1]>", "250 2.1.0 OK"),
        (b"FROM:<s@example.org> SIZE=41943041", "552 5.3.4 message exceeds the size limit"),
        (b"FROM:<s@example.org> SIZE=99999999999999999999", "552 5.3.4 message exceeds the size limit"),
        (b"FROM:<s@example.org> SIZE=-1", "501 5.5.4 SIZE needs a number"),
        (b"FROM:<s@example.org> SIZE", "501 5.5.4 SIZE needs a number"),
        (b"FROM:<s@example.org> BODY=BINARYMIME", "501 5.5.4 BODY is 7BIT or 8BITMIME"),
        (b"FROM:<s@example.org> SMTPUTF8=yes", "501 5.5.4 SMTPUTF8 takes no value"),
        (b"FROM:<s@example.org> RET=HDRS", "555 5.5.4 unknown MAIL parameter"),
        (b"FROM:<s@example.org> SIZE=1 SIZE=2", "501 5.5.4 expected MAIL FROM:<address>"),
        (b"FROM:<s@example.org>SIZE=1", "501 5.5.4 expected MAIL FROM:<address>"),
        ("FROM:<s@exämple.org>".encode(), "553 5.6.7 address requires SMTPUTF8"),
        (b"FROM:<postmaster>", "501 5.1.7 sender address without domain"),
        (b"FROM:<s@>", "501 5.1.7 malformed sender address"),
        (b"FROM:<" + b"s" * 320 + b"@example.org>", "501 5.1.7 malformed sender address"),
        (b"FROM:\t<s@example.org>\tSIZE=10", "250 2.1.0 OK"),
        (b"FROM: Printer 2 < s@example.org > ", "250 2.1.0 OK"),
        (b"TO:<s@example.org>", "501 5.5.4 expected MAIL FROM:<address>"),
        (b"", "501 5.5.4 expected MAIL FROM:<address>"),
    ],
)
async def test_mail_arguments(argument: bytes, reply: str) -> None:
    async with listening(MemoryReceiver()) as listener, connect(listener) as client:
        await client.greet()
        assert await client.ask(b"MAIL " + argument) == reply


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"NOOP anything", "250 2.0.0 OK"),
        (b"NOOP\tanything", "250 2.0.0 OK"),
        (b"rset", "250 2.0.0 OK"),
        (b"RSET x", "501 5.5.4 RSET takes no argument"),
        (b"VRFY bot", "252 2.0.0 cannot verify, but will take messages and try"),
        (b"VRFY", "501 5.5.4 VRFY needs an address"),
        (b"EXPN list", "502 5.5.1 EXPN is not offered"),
        (b"HELP", "214 2.0.0 RFC 5321; EHLO lists the extensions"),
        (b"AUTH PLAIN AGEAYg==", "502 5.5.1 AUTH is not offered"),
        (b"STARTTLS", "502 5.5.1 TLS is not offered"),
        (b"EHLO", "501 5.5.4 expected a host name or address literal"),
        (b"EHLO " + b"x" * 256, "501 5.5.4 expected a host name or address literal"),
        (b"MAIL FROM:<s@example.org>", "503 5.5.1 say EHLO first"),
        (b"RCPT TO:<bot@agents.test>", "503 5.5.1 say MAIL first"),
        (b"DATA", "503 5.5.1 say MAIL first"),
        (b"XYZZY", "500 5.5.1 command not recognized"),
        (b"", "500 5.5.1 command not recognized"),
        (b"NOOP \x00", "500 5.5.2 command contains control characters"),
        (b"NOOP \xff", "500 5.5.2 command is not UTF-8"),
        (b"NOOP " + b"x" * 3000, "500 5.5.2 command line too long"),
        (b"NOOP " + b"x" * 300_000, "500 5.5.2 command line too long"),
        (b"QUIT x", "501 5.5.4 QUIT takes no argument"),
    ],
)
async def test_commands_outside_a_transaction(line: bytes, reply: str) -> None:
    async with listening(MemoryReceiver()) as listener, connect(listener) as client:
        await client.reply()
        assert await client.ask(line) == reply
        assert await client.ask(b"NOOP") == "250 2.0.0 OK"


async def test_a_bare_line_feed_does_not_end_a_command() -> None:
    async with listening(MemoryReceiver()) as listener, connect(listener) as client:
        await client.reply()
        await client.send(b"NOOP\nNOOP\r\n")
        assert await client.reply() == "500 5.5.2 command line not ended by CRLF"
        assert await client.reply() == "250 2.0.0 OK"


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1", b"POST /v1 HTTP/1.1", b"BDAT 86 LAST"])
async def test_a_verb_with_a_payload_closes_before_the_payload_is_read_as_commands(line: bytes) -> None:
    receiver = MemoryReceiver()
    async with listening(receiver) as listener, connect(listener) as client:
        await client.greet()
        await client.send(line + b"\r\nMAIL FROM:<s@example.org>\r\nRCPT TO:<bot@agents.test>\r\n")
        assert await client.rest() == ["502 5.5.1 not offered here"]
    assert receiver.resolved == []


async def test_nested_mail_and_reset_by_ehlo() -> None:
    async with listening(MemoryReceiver()) as listener, connect(listener) as client:
        await client.greet()
        assert await client.ask(b"MAIL FROM:<>") == "250 2.1.0 OK"
        assert await client.ask(b"MAIL FROM:<>") == "503 5.5.1 a transaction is already in progress"
        assert (await client.ask(b"EHLO again.test")).startswith("250")
        assert await client.ask(b"RCPT TO:<bot@agents.test>") == "503 5.5.1 say MAIL first"
        assert await client.ask(b"MAIL FROM:<s@example.org>") == "250 2.1.0 OK"


async def test_parameters_need_ehlo() -> None:
    async with listening(MemoryReceiver()) as listener, connect(listener) as client:
        await client.greet(b"HELO client.test")
        assert await client.ask(b"MAIL FROM:<s@example.org> SIZE=1") == "555 5.5.4 parameters need EHLO"


async def test_internationalised_addresses_with_smtputf8() -> None:
    receiver = MemoryReceiver()
    async with listening(receiver) as listener, connect(listener) as client:
        await client.greet()
        assert await client.ask("MAIL FROM:<jürgen@exämple.org> SMTPUTF8".encode()) == "250 2.1.0 OK"
        assert await client.ask("RCPT TO:<böt@agents.test>".encode()) == "250 2.1.5 OK"
        assert (await client.ask(b"DATA")).startswith("354")
        assert await client.ask("Subject: ü\r\n\r\n.".encode()) == "250 2.0.0 queued as q1"
    [(envelope, _)] = receiver.messages
    assert envelope.smtp_utf8
    assert envelope.mail_from == "jürgen@exämple.org"
    assert envelope.recipients[0].address == "böt@agents.test"


async def test_pipelined_groups_and_several_messages_in_one_write() -> None:
    receiver = MemoryReceiver()
    one = (
        b"MAIL FROM:<s@example.org>\r\nRCPT TO:<bot@agents.test>\r\nRCPT TO:<nobody@agents.test>\r\nDATA\r\n"
        b"Subject: %d\r\n\r\nbody\r\n.\r\n"
    )
    async with listening(receiver) as listener, connect(listener) as client:
        await client.greet()
        await client.send(b"".join(one % number for number in range(3)) + b"NOOP\r\nQUIT\r\n")
        replies = await client.rest()
    transaction = ["250", "250", "550", "354", "250"]
    assert [reply[:3] for reply in replies] == transaction * 3 + ["250", "221"]
    assert [content for _, content in receiver.messages] == [
        b"Subject: %d\r\n\r\nbody\r\n" % n for n in range(3)
    ]


async def test_replies_to_a_pipelined_group_leave_together() -> None:
    async with listening(MemoryReceiver()) as listener, connect(listener) as client:
        await client.greet()
        await client.send(b"NOOP\r\n" * 20)
        first = await client.reader.readexactly(len(b"250 2.0.0 OK\r\n"))
        assert first == b"250 2.0.0 OK\r\n"
        assert await client.reader.read(65536) == first * 19


async def test_a_peer_that_half_closes_still_gets_its_replies() -> None:
    receiver = MemoryReceiver()
    async with listening(receiver) as listener, connect(listener) as client:
        await client.greet()
        await client.send(b"MAIL FROM:<>\r\nRCPT TO:<bot@agents.test>\r\nDATA\r\nx\r\n.\r\n")
        client.writer.write_eof()
        assert [reply[:3] for reply in await client.rest()] == ["250", "250", "354", "250"]


async def test_a_peer_that_hangs_up_does_not_cut_the_receiver_short() -> None:
    receiver = MemoryReceiver()
    receiver.gate.clear()
    async with listening(receiver) as listener, connect(listener) as client:
        await client.greet()
        await client.begin()
        await client.send(b"x\r\n.\r\n")
        await receiver.entered.wait()
        client.writer.transport.abort()
        async with connect(listener) as other:
            await other.greet()
        receiver.gate.set()
        async with connect(listener) as other:
            await other.greet()
        assert len(receiver.messages) == 1


async def test_a_message_cut_off_by_the_peer_is_not_taken() -> None:
    receiver = MemoryReceiver()
    async with listening(receiver) as listener, connect(listener) as client:
        await client.greet()
        await client.begin()
        await client.send(b"Subject: x\r\n\r\nhalf\r\n")
        client.writer.write_eof()
        assert await client.rest() == []
    assert receiver.messages == []
