"""What the tests of return paths share: recipients, and what mail systems write about them."""

from __future__ import annotations

import itertools
import re

from e2a_core.contract.engine import Session
from e2a_core.contract.message_views import MessageView
from tests.engine.mailbox import send, settled
from tests.support.home import ASSISTANT, SHARED
from tests.support.smtp_sink import SmtpSink

ANN, BOB, VICTIM = "ann@example.org", "bob@example.org", "victim@victim.example"
RETURN_PATH = re.compile(rf"bounce\+[0-9a-f]{{32}}\.[a-z2-7]{{24}}@{re.escape(SHARED)}")
BOUNCED, SENT = ("failed", "bounced"), ("succeeded", "sent")
_numbers = itertools.count()


async def sent_to(session: Session, *recipients: str) -> MessageView:
    result = await send(session, to=list(recipients), options={"wait": "sent"})
    return await settled(session, result.message_id)


def return_paths(sink: SmtpSink) -> dict[str, str]:
    """The envelope sender of each recipient's copy."""
    return {address: item.mail_from for item in sink.messages for address in item.recipients}


async def states(session: Session, message_id: str) -> dict[str, tuple[str, str]]:
    view = await session.messages.get(ASSISTANT, message_id, peek=True)
    return {item.address: (item.outcome, item.status) for item in view.recipients or []}


async def suppressed(owner: Session) -> list[str]:
    return sorted(item.address for item in (await owner.suppressions.list()).items)


def mail(fields: str, body: str) -> bytes:
    """A message of a mail system that names no Message-ID but its own."""
    head = f"Subject: failure notice\nMessage-ID: <r{next(_numbers)}@mx.example.net>\n{fields}\n\n"
    return (head + body).replace("\n", "\r\n").encode()


def multipart(*groups: str, kind: str = "delivery-status") -> bytes:
    status = "\n\n".join(("Reporting-MTA: dns; mx.example.net", *groups))
    return mail(
        "From: MAILER-DAEMON@mx.example.net\nMIME-Version: 1.0\n"
        f'Content-Type: multipart/report; report-type={kind}; boundary="B"',
        f"--B\nContent-Type: text/plain\n\nA report.\n--B\nContent-Type: message/{kind}\n\n{status}\n--B--\n",
    )


def failed(address: str, status: str = "5.1.1") -> str:
    return f"Final-Recipient: rfc822; {address}\nAction: failed\nStatus: {status}"


QMAIL = mail(
    "From: MAILER-DAEMON@mx.example.net",
    "Hi. This is the qmail-send program at mx.example.net.\n"
    "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
    "This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
    f"<{VICTIM}>:\n192.5.100.1 does not like recipient.\nRemote host said: 550 5.1.1 no such user\n\n"
    "--- Below this line is a copy of the message.\n\nReturn-Path: <x@y.example>\nSubject: Hi\n\nHello\n",
)
EXIM = mail(
    f"From: Mailer-Daemon@mx.example.net\nX-Failed-Recipients: {VICTIM}\nAuto-Submitted: auto-replied",
    f"A message that you sent could not be delivered:\n\n  {VICTIM}\n    550 5.1.1 no such user\n",
)
POSTFIX = multipart(
    f"Final-Recipient: rfc822; {VICTIM}\nOriginal-Recipient: rfc822;{VICTIM}\nAction: failed\nStatus: 5.1.1\n"
    "Diagnostic-Code: smtp; 550 5.1.1 no such user"
)
EXCHANGE = multipart(
    "Final-Recipient: RFC822;IMCEAEX-_O=ORG_CN=VICTIM@victim.example\nAction: Failed\nStatus: 5.1.10\n"
    "Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound\nX-Display-Name: Victim"
)
HARD = {
    "postfix": POSTFIX,
    "exchange": EXCHANGE,
    "qmail": QMAIL,
    "exim": EXIM,
    "original recipient only": multipart(
        f"Original-Recipient: rfc822;{VICTIM}\nAction: failed\nStatus: 5.1.1"
    ),
    "upper case": multipart(failed(VICTIM.upper())),
    "forwarded elsewhere": multipart(failed("victim@elsewhere.example")),
    "original recipient of another system": multipart(
        "Original-Recipient: unknown;x400\n" + failed(VICTIM, "5.4.1")
    ),
    "status only in the diagnostic": multipart(
        f"Final-Recipient: rfc822; {VICTIM}\nAction: failed\nDiagnostic-Code: smtp; 550 5.2.1 disabled"
    ),
    "reply code only": multipart(
        f"Final-Recipient: rfc822; {VICTIM}\nAction: failed\nDiagnostic-Code: smtp; 550 no"
    ),
    "no recipient's type": multipart(f"Final-Recipient: {VICTIM}\nAction: failed\nStatus: 5.7.1"),
    "another's result beside it": multipart(failed(ANN), failed(VICTIM)),
}
NOTHING = {
    "out of office": mail("From: victim@victim.example\nAuto-Submitted: auto-replied", "I am away.\n"),
    "out of office in words": mail(
        "From: victim@victim.example", "I could not read your mail, 550 waiting.\n"
    ),
    "challenge": mail("From: confirm@victim.example", "To deliver your message, click this link.\n"),
    "bounce in words alone": mail("From: MAILER-DAEMON@mx.example.net", f"550 5.1.1 {VICTIM} unknown\n"),
    "quoted qmail": mail("From: v@victim.example", f"> Hi. This is the qmail-send\n\n<{VICTIM}>:\n5.1.1\n"),
    "disposition": multipart(
        f"Final-Recipient: rfc822;{VICTIM}\nDisposition: manual-action/x; displayed",
        kind="disposition-notification",
    ),
    "no group": multipart(),
    "unknown action": multipart(f"Final-Recipient: rfc822; {VICTIM}\nAction: pondered\nStatus: 5.1.1"),
    "about another recipient": multipart(failed(ANN)),
}
