"""Submission to a real SMTP server on loopback: every outcome, and what is never done twice."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from e2a_core.submission.outcome import FailureKind, Outcome, SubmissionResult
from e2a_core.submission.transports.base import Transport
from e2a_core.submission.transports.config import Timeouts, UpstreamConfig
from e2a_core.submission.transports.pool import SessionPool
from e2a_core.submission.transports.sandbox import SandboxTransport
from e2a_core.submission.transports.session import SmtpSession
from e2a_core.submission.transports.upstream import UpstreamTransport, provider_message_id

from ..support.listening import vacant_port
from ..support.smtp_sink import SmtpSink

pytestmark = pytest.mark.anyio

SENDER = "bot@agents.example"
CONTENT = (
    b"From: bot@agents.example\r\nTo: a@example.org\r\nSubject: hi\r\nMessage-ID: <1@agents.example>\r\n\r\n"
    b".leading dot\r\n..two\r\n.\r\nlast\r\n"
)
TIMEOUTS = Timeouts(connect=5, command=5, chunk=5, final_reply=5, quit=1)


@asynccontextmanager
async def upstream(
    sink: SmtpSink, *, idle_seconds: float = 30, **changes: object
) -> AsyncIterator[UpstreamTransport]:
    config = UpstreamConfig(
        sink.host,
        sink.port,
        "mail.agents.example",
        tls_context=sink.client_context,
        implicit_tls_ports=frozenset({sink.port} if sink.tls == "implicit" else {465}),
        timeouts=TIMEOUTS,
    )
    transport = UpstreamTransport(
        replace(config, **changes),  # type: ignore[arg-type]
        max_connections=2,
        idle_seconds=idle_seconds,
    )
    try:
        yield transport
    finally:
        await transport.aclose()


def certificate_of(sink: SmtpSink) -> str:
    assert sink.client_context is not None
    [certificate] = sink.client_context.get_ca_certs(binary_form=True)
    return ssl.DER_cert_to_PEM_cert(certificate)


def kinds(result: SubmissionResult) -> list[FailureKind | None]:
    return [item.kind for item in result.outcomes]


async def test_the_message_arrives_octet_for_octet() -> None:
    async with SmtpSink() as sink, upstream(sink) as transport:
        result = await transport.submit(SENDER, ["a@example.org", "b@example.org"], CONTENT)
        (message,) = await sink.wait_for(1)
    assert message.content == CONTENT
    assert message.mail_from == SENDER
    assert message.recipients == ("a@example.org", "b@example.org")
    assert message.ehlo == "mail.agents.example"
    assert [item.outcome for item in result.outcomes] == [Outcome.SUCCEEDED] * 2
    assert result.outcomes[0].code == 250
    assert result.outcomes[0].enhanced == "2.0.0"
    assert result.provider_message_id == "<captured@sink.example>"
    assert result.transport == "upstream"


async def test_a_large_message_is_streamed() -> None:
    content = CONTENT + b"".join(b".%d %s\r\n" % (n, b"x" * 60) for n in range(60_000))
    async with SmtpSink() as sink, upstream(sink) as transport:
        result = await transport.submit(SENDER, ["a@example.org"], content)
        (message,) = await sink.wait_for(1)
    assert message.content == content
    assert result.outcomes[0].outcome is Outcome.SUCCEEDED


async def test_the_null_reverse_path_and_a_missing_last_line_end() -> None:
    async with SmtpSink() as sink, upstream(sink) as transport:
        await transport.submit("", ["a@example.org"], CONTENT.removesuffix(b"\r\n"))
        (message,) = await sink.wait_for(1)
    assert message.mail_from == ""
    assert message.content == CONTENT


async def test_a_refused_recipient_does_not_fail_the_others() -> None:
    async with SmtpSink() as sink, upstream(sink) as transport:
        sink.script.rcpt = {"no@example.org": "550 5.1.1 no such user", "busy@example.org": "450 4.2.1 busy"}
        recipients = ["no@example.org", "a@example.org", "busy@example.org"]
        result = await transport.submit(SENDER, recipients, CONTENT)
        (message,) = await sink.wait_for(1)
    assert message.recipients == ("a@example.org",)
    assert [item.address for item in result.outcomes] == recipients
    assert kinds(result) == [FailureKind.PERMANENT, None, FailureKind.TRANSIENT]
    refused = result.outcomes[0]
    assert (refused.code, refused.enhanced, refused.detail) == (550, "5.1.1", "no such user")
    assert [item.address for item in result.to_retry] == ["busy@example.org"]


@pytest.mark.parametrize(
    ("reply", "kind"), [("554 5.6.0 spam", FailureKind.PERMANENT), ("451 4.3.0 later", FailureKind.TRANSIENT)]
)
@pytest.mark.parametrize("stage", ["mail", "data", "final", "rcpt"])
async def test_refusals_at_every_stage(stage: str, reply: str, kind: FailureKind) -> None:
    async with SmtpSink() as sink, upstream(sink) as transport:
        setattr(sink.script, stage, {"a@example.org": reply} if stage == "rcpt" else reply)
        result = await transport.submit(SENDER, ["a@example.org"], CONTENT)
        assert kinds(result) == [kind]
        assert result.outcomes[0].code == int(reply[:3])
        assert sink.messages == []
        # The connection survives a refusal, and its state does not leak into the next message.
        sink.script = type(sink.script)()
        again = await transport.submit(SENDER, ["a@example.org"], CONTENT)
        assert again.of(Outcome.SUCCEEDED)
        assert sink.connections == 1


async def test_a_reply_lost_after_the_final_dot_is_unknown_and_not_repeated() -> None:
    async with SmtpSink() as sink, upstream(sink) as transport:
        await transport.submit(SENDER, ["first@example.org"], CONTENT)
        sink.script.drop = "reply"
        sink.script.rcpt = {"no@example.org": "550 5.1.1 no such user"}
        result = await transport.submit(SENDER, ["a@example.org", "no@example.org", "b@example.org"], CONTENT)
        outcomes = [item.outcome for item in result.outcomes]
        assert outcomes == [Outcome.UNKNOWN, Outcome.FAILED, Outcome.UNKNOWN]
        assert result.to_retry == []
        assert len(sink.messages) == 2
        assert result.provider_message_id is None


async def test_a_relay_that_never_answers_the_final_dot_is_unknown() -> None:
    timeouts = replace(TIMEOUTS, final_reply=0.2)
    async with SmtpSink() as sink, upstream(sink, timeouts=timeouts) as transport:
        sink.script.hang = True
        result = await transport.submit(SENDER, ["a@example.org"], CONTENT)
        assert result.outcomes[0].outcome is Outcome.UNKNOWN
        await sink.wait_until(lambda: sink.open_connections == 0)


async def test_a_break_within_the_message_is_retried_and_consumes_the_attempt() -> None:
    content = CONTENT + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 300_000
    async with SmtpSink() as sink, upstream(sink) as transport:
        sink.script.drop = "content"
        result = await transport.submit(SENDER, ["a@example.org"], content)
    assert kinds(result) == [FailureKind.TRANSIENT]
    assert sink.messages == []


@pytest.mark.parametrize("point", ["connect", "mail", "rcpt", "data"])
async def test_a_break_before_the_message_is_an_outage(point: str) -> None:
    async with SmtpSink() as sink, upstream(sink) as transport:
        sink.script.drop = point  # type: ignore[assignment]
        result = await transport.submit(SENDER, ["a@example.org"], CONTENT)
        assert sink.connections == 1
    assert kinds(result) == [FailureKind.OUTAGE]


async def test_nobody_listening_is_an_outage() -> None:
    sink = SmtpSink()
    with vacant_port() as sink.port:
        async with upstream(sink) as transport:
            result = await transport.submit(SENDER, ["a@example.org", "a@example.org"], CONTENT)
    assert kinds(result) == [FailureKind.OUTAGE]


async def test_the_last_moment_before_submission_is_told() -> None:
    told: list[tuple[list[str], int]] = []

    async with SmtpSink() as sink, upstream(sink) as transport:
        sink.script.rcpt = {"no@example.org": "550 5.1.1 no such user"}

        async def before_content(accepted: Sequence[str]) -> None:
            assert "DATA" in sink.commands
            told.append((list(accepted), len(sink.messages)))

        await transport.submit(SENDER, ["a@example.org", "no@example.org"], CONTENT, before_content)
        assert len(sink.messages) == 1
    assert told == [(["a@example.org"], 0)]


async def test_a_refusal_at_the_last_moment_submits_nothing() -> None:
    async def before_content(accepted: Sequence[str]) -> None:
        raise LookupError

    async with SmtpSink() as sink, upstream(sink) as transport:
        with pytest.raises(LookupError):
            await transport.submit(SENDER, ["a@example.org"], CONTENT, before_content)
        await sink.wait_until(lambda: sink.open_connections == 0)
        assert sink.messages == []
        assert (await transport.submit(SENDER, ["a@example.org"], CONTENT)).of(Outcome.SUCCEEDED)


async def test_connections_are_reused_after_a_reset() -> None:
    async with SmtpSink() as sink, upstream(sink) as transport:
        for _ in range(3):
            await transport.submit(SENDER, ["a@example.org"], CONTENT)
        assert sink.connections == 1
        assert sink.commands.count("RSET") == 2
        assert len(sink.messages) == 3
    assert sink.commands[-1] == "QUIT"


async def test_the_number_of_connections_is_bounded() -> None:
    async with SmtpSink() as sink, upstream(sink) as transport:
        await asyncio.gather(*(transport.submit(SENDER, ["a@example.org"], CONTENT) for _ in range(8)))
        assert len(sink.messages) == 8
        assert sink.connections <= 2


async def test_a_connection_that_died_while_idle_is_replaced() -> None:
    async with SmtpSink() as sink, upstream(sink) as transport:
        await transport.submit(SENDER, ["a@example.org"], CONTENT)
        sink.drop_connections()
        result = await transport.submit(SENDER, ["a@example.org"], CONTENT)
        assert result.of(Outcome.SUCCEEDED)
        assert sink.connections == 2


async def test_a_relay_that_ends_a_kept_connection_at_mail_gets_a_new_one() -> None:
    async with SmtpSink() as sink, upstream(sink) as transport:
        await transport.submit(SENDER, ["a@example.org"], CONTENT)
        sink.script.mail = "421 4.7.0 too many messages on this connection"
        submission = asyncio.create_task(transport.submit(SENDER, ["a@example.org"], CONTENT))
        await sink.wait_until(lambda: sink.connections == 2)
        sink.script.mail = None
        result = await submission
        assert result.of(Outcome.SUCCEEDED) or kinds(result) == [FailureKind.OUTAGE]
        assert sink.connections == 2


async def test_idle_connections_are_closed() -> None:
    async with SmtpSink() as sink, upstream(sink, idle_seconds=0.05) as transport:
        await transport.submit(SENDER, ["a@example.org"], CONTENT)
        await sink.wait_until(lambda: sink.open_connections == 0)
        assert sink.commands[-1] == "QUIT"


async def test_a_cancelled_submission_leaves_no_connection_behind() -> None:
    async with SmtpSink() as sink, upstream(sink) as transport:
        sink.script.hang = True
        submission = asyncio.create_task(transport.submit(SENDER, ["a@example.org"], CONTENT))
        await sink.wait_for(1)
        submission.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submission
        await sink.wait_until(lambda: sink.open_connections == 0)


async def test_a_lease_that_ends_badly_is_not_kept() -> None:
    async with SmtpSink() as sink:
        config = UpstreamConfig(sink.host, sink.port, "mail.agents.example", timeouts=TIMEOUTS)
        pool = SessionPool(lambda: SmtpSession.open(config), max_connections=1, idle_seconds=30)
        with pytest.raises(LookupError):
            async with pool.lease() as first:
                raise LookupError
        assert not first.session.is_open
        async with pool.lease() as second:
            assert not second.reused
        await pool.aclose()


@pytest.mark.parametrize("first_line", [b".\r\n", b"..\r\n", b".a\r\n"])
async def test_a_dot_on_the_first_line_is_doubled(first_line: bytes) -> None:
    async with SmtpSink() as sink, upstream(sink) as transport:
        await transport.submit(SENDER, ["a@example.org"], first_line + CONTENT)
        (message,) = await sink.wait_for(1)
    assert message.content == first_line + CONTENT


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
async def test_tls_and_login(mode: str) -> None:
    async with (
        SmtpSink(tls=mode, credentials=("agent", "pässword")) as sink,  # type: ignore[arg-type]
        upstream(sink, require_tls=True, username="agent", password="pässword") as transport,
    ):
        result = await transport.submit(SENDER, ["a@example.org"], CONTENT)
        assert result.of(Outcome.SUCCEEDED), result
        (message,) = await sink.wait_for(1)
    assert message.tls
    assert message.login == "agent"


async def test_what_the_relay_offers_is_asked_again_within_tls() -> None:
    async with SmtpSink(tls="starttls") as sink, upstream(sink) as transport:
        await transport.submit(SENDER, ["a@example.org"], CONTENT)
        (message,) = await sink.wait_for(1)
    assert message.mail_options == (f"SIZE={len(CONTENT)}",)
    assert sink.commands[:2] == ["EHLO mail.agents.example"] * 2


async def test_a_refused_login_is_an_outage_not_a_rejection() -> None:
    async with (
        SmtpSink(tls="starttls", credentials=("agent", "right")) as sink,
        upstream(sink, username="agent", password="wrong") as transport,
    ):
        result = await transport.submit(SENDER, ["a@example.org"], CONTENT)
    assert kinds(result) == [FailureKind.OUTAGE]
    assert result.outcomes[0].code == 535
    assert "wrong" not in str(result)


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
async def test_a_relay_of_ones_own_needs_no_certificate_of_the_system(mode: str, tmp_path: Path) -> None:
    """On loopback nobody is between; elsewhere the file of the authority lets a certificate verify."""
    async with SmtpSink(tls=mode) as sink:  # type: ignore[arg-type]
        ports = frozenset({sink.port} if mode == "implicit" else {465})
        plain = UpstreamConfig(
            sink.host, sink.port, "mail.agents.example", timeouts=TIMEOUTS, implicit_tls_ports=ports
        )
        own, other = tmp_path / "own.pem", tmp_path / "other.pem"
        own.write_text(certificate_of(sink))
        other.write_text(certificate_of(SmtpSink(tls="starttls")))
        for ca_file, accepted in ((None, True), (own, True), (other, False)):
            transport = UpstreamTransport(plain.with_tls(ca_file))
            try:
                result = await transport.submit("a@agents.example", ["b@example.org"], CONTENT)
            finally:
                await transport.aclose()
            [outcome] = result.outcomes
            assert (outcome.outcome is Outcome.SUCCEEDED) is accepted
            if not accepted:
                assert "E2A_OUTBOUND_SMTP_CA_FILE" in outcome.detail


@pytest.mark.parametrize(
    ("host", "username", "require_tls", "verified"),
    [
        ("127.0.0.1", "agent", True, False),
        ("relay.example", "", False, False),
        ("relay.example", "agent", False, True),
        ("relay.example", "", True, True),
    ],
)
def test_what_is_at_stake_is_verified(host: str, username: str, require_tls: bool, verified: bool) -> None:
    config = UpstreamConfig(host, 587, "x", username=username, require_tls=require_tls).with_tls(None)
    assert config.tls_context is not None
    assert (config.tls_context.verify_mode is ssl.CERT_REQUIRED) is verified
    assert config.tls_context.check_hostname is verified


async def test_tls_is_required_where_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    async with SmtpSink() as sink, upstream(sink, require_tls=True) as transport:
        result = await transport.submit(SENDER, ["a@example.org"], CONTENT)
        assert "STARTTLS" in result.outcomes[0].detail
        assert f"{sink.host}:{sink.port}: TLS is required" in caplog.text
        assert kinds(result) == [FailureKind.OUTAGE]
        assert sink.messages == []


async def test_a_certificate_nobody_vouches_for_is_refused() -> None:
    async with (
        SmtpSink(tls="starttls") as sink,
        upstream(sink, tls_context=ssl.create_default_context()) as transport,
    ):
        result = await transport.submit(SENDER, ["a@example.org"], CONTENT)
        assert kinds(result) == [FailureKind.OUTAGE]
        assert "certificate" in result.outcomes[0].detail
        assert sink.messages == []


async def test_credentials_travel_in_clear_on_loopback_only() -> None:
    credentials = ("agent", "secret")
    async with (
        SmtpSink(credentials=credentials, auth_in_clear=True) as sink,
        upstream(sink, username="agent", password="secret") as transport,
    ):
        assert (await transport.submit(SENDER, ["a@example.org"], CONTENT)).of(Outcome.SUCCEEDED)

    class Distant(UpstreamConfig):
        is_loopback = False

    async with SmtpSink(credentials=credentials, auth_in_clear=True) as sink:
        transport = UpstreamTransport(Distant(sink.host, sink.port, "x.example", "agent", "secret"))
        result = await transport.submit(SENDER, ["a@example.org"], CONTENT)
        await transport.aclose()
        assert "credentials are not sent in clear" in result.outcomes[0].detail
        assert sink.commands == ["EHLO x.example"]
    assert UpstreamConfig("127.8.9.1", 25, "x").is_loopback
    assert UpstreamConfig("localhost", 25, "x").is_loopback
    assert UpstreamConfig("::1", 25, "x").is_loopback
    assert not UpstreamConfig("relay.example", 25, "x").is_loopback
    assert not UpstreamConfig("10.0.0.1", 25, "x").is_loopback


async def test_what_the_relay_does_not_offer_fails_with_its_reason() -> None:
    eight_bit = CONTENT + "é\r\n".encode()
    utf8_headers = "Subject: é\r\n".encode() + CONTENT
    async with SmtpSink(hide=frozenset({"8BITMIME", "SMTPUTF8"})) as sink, upstream(sink) as transport:
        for content, code in ((eight_bit, "5.6.3"), (utf8_headers, "5.6.7")):
            result = await transport.submit(SENDER, ["a@example.org"], content)
            assert kinds(result) == [FailureKind.PERMANENT]
            assert result.outcomes[0].enhanced == code
        result = await transport.submit(SENDER, ["é@example.org", "a@example.org"], CONTENT)
        assert [item.enhanced for item in result.outcomes] == ["5.6.7", "2.0.0"]
        assert sink.messages[0].recipients == ("a@example.org",)


async def test_extensions_are_used_when_needed() -> None:
    async with SmtpSink() as sink, upstream(sink) as transport:
        await transport.submit(SENDER, ["a@example.org"], CONTENT)
        await transport.submit(SENDER, ["é@example.org"], CONTENT + "é\r\n".encode())
        plain, international = await sink.wait_for(2)
    assert plain.mail_options == (f"SIZE={len(CONTENT)}",)
    assert set(international.mail_options[1:]) == {"BODY=8BITMIME", "SMTPUTF8"}
    assert international.recipients == ("é@example.org",)


async def test_a_message_over_the_announced_size_is_not_sent() -> None:
    async with SmtpSink(size_limit=100) as sink, upstream(sink) as transport:
        result = await transport.submit(SENDER, ["a@example.org"], CONTENT)
        assert result.outcomes[0].enhanced == "5.3.4"
        assert not any(command.startswith("MAIL") for command in sink.commands)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\r\n", b"\n.\r\n", b"\r\n.\r"])
async def test_bare_line_ends_are_never_sent(end: bytes) -> None:
    async with SmtpSink() as sink, upstream(sink) as transport:
        result = await transport.submit(
            SENDER, ["a@example.org"], CONTENT + b"x" + end + b"MAIL FROM:<x@y>\r\n"
        )
        assert result.outcomes[0].enhanced == "5.6.0"
        assert sink.messages == []


@pytest.mark.parametrize("address", ["a@x> SIZE=1", "a@x\r\nDATA", "", "a b@x", "<a@x>", "\ud800@x"])
async def test_an_address_cannot_carry_a_command(address: str) -> None:
    async with SmtpSink() as sink, upstream(sink) as transport:
        result = await transport.submit(SENDER, [address, "a@example.org"], CONTENT)
        assert [item.enhanced for item in result.outcomes] == ["5.1.3", "2.0.0"]
        if address:
            result = await transport.submit(address, ["a@example.org"], CONTENT)
            assert result.outcomes[0].enhanced == "5.1.7"
        assert len(sink.messages) == 1


@pytest.mark.parametrize(
    ("reply", "host", "domain", "expected"),
    [
        ("2.0.0 Ok <abc@relay.example>", "", "", "<abc@relay.example>"),
        ("Ok 0100018f-1", "email-smtp.eu-west-1.amazonaws.com", "", "<0100018f-1@eu-west-1.amazonses.com>"),
        ("Ok 0100018f-1", "email-smtp.eu-west-1.amazonaws.com", "ids.example", "<0100018f-1@ids.example>"),
        ("2.0.0 Ok abc@x", "", "", "<abc@x>"),
        ("Ok abc", "relay.example", "", "<abc>"),
        ("2.0.0 Ok: queued as 4F2", "", "", None),
        ("OK", "", "", None),
        ("", "", "", None),
    ],
)
def test_provider_message_id(reply: str, host: str, domain: str, expected: str | None) -> None:
    assert provider_message_id(reply, host, domain) == expected


async def test_the_sandbox_says_so() -> None:
    transport: Transport = SandboxTransport()
    result = await transport.submit(SENDER, ["a@example.org", "b@example.org"], CONTENT)
    assert result.transport == "sandbox"
    assert [item.outcome for item in result.outcomes] == [Outcome.SUCCEEDED] * 2
    assert "nothing was sent" in result.outcomes[0].detail
    await transport.aclose()


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(UpstreamConfig("h", 25, "e", password="secret"))


@asynccontextmanager
async def relay_that_says(
    *replies: bytes, message_end: bytes = b"\r\n.\r\n"
) -> AsyncIterator[tuple[str, int]]:
    """A relay that answers each line it gets, and each `message_end` after DATA, with the next of `replies`."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            for reply in replies[:-1]:
                writer.write(reply)
                await reader.readuntil(message_end if reply.startswith(b"354") else b"\r\n")
            writer.write(replies[-1])
            while await reader.read(2**16):
                pass
        writer.close()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[:2]
        await asyncio.wait_for(ended.wait(), 5)


GOOD = (b"220 relay\r\n", b"250-relay\r\n250 8BITMIME\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n")


@pytest.mark.parametrize("garbage", [b"\r\n", b"hello\r\n", b"2\r\n", b"\xff\xfe\r\n", b"x" * 40_000])
@pytest.mark.parametrize("at", range(6))
async def test_a_relay_that_talks_nonsense(garbage: bytes, at: int) -> None:
    async with relay_that_says(*GOOD[:at], garbage) as (host, port):
        transport = UpstreamTransport(UpstreamConfig(host, port, "x.example", timeouts=TIMEOUTS))
        result = await transport.submit(SENDER, ["a@example.org"], CONTENT)
        await transport.aclose()
    (outcome,) = result.outcomes
    assert outcome.outcome is (Outcome.UNKNOWN if at == 5 else Outcome.FAILED)
    assert outcome.kind in (None, FailureKind.OUTAGE)


async def test_a_verdict_within_the_message_is_heard() -> None:
    content = CONTENT + (b"y" * 70 + b"\r\n") * 300_000
    async with relay_that_says(*GOOD, b"552 5.3.4 too big\r\n", message_end=b"\r\n") as (host, port):
        transport = UpstreamTransport(UpstreamConfig(host, port, "x.example", timeouts=TIMEOUTS))
        result = await transport.submit(SENDER, ["a@example.org"], content)
        await transport.aclose()
    assert kinds(result) == [FailureKind.PERMANENT]
    assert result.outcomes[0].code == 552
