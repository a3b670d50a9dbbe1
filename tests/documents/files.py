"""Small documents, made octet by octet, so that each flaw is where a test wants it."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence

from pypdf import PdfReader, PdfWriter

__all__ = ["INVITATION", "compressed", "docx", "locked", "pdf", "word"]

INVITATION = b"""\
BEGIN:VCALENDAR\r
VERSION:2.0\r
METHOD:REQUEST\r
BEGIN:VEVENT\r
UID:1@example.org\r
SUMMARY:Budget talk\r
DTSTART;TZID=Europe/Berlin:20261201T100000\r
DTEND;TZID=Europe/Berlin:20261201T110000\r
RRULE:FREQ=WEEKLY;COUNT=4\r
LOCATION:Room 5\r
ORGANIZER;CN=Ann:mailto:ann@example.org\r
ATTENDEE;CN=Bob;PARTSTAT=ACCEPTED:mailto:bob@example.net\r
ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:eve@example.net\r
DESCRIPTION:Bring figures\\, please.\r
END:VEVENT\r
END:VCALENDAR\r
"""

_WORD = '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>{}</w:body></w:document>'


def pdf(pages: Sequence[str | bytes], *, picture: bool = False) -> bytes:
    """A PDF file with a page for each text; octets are a compressed content stream. `picture` puts one on each."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * number) for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    shown = b"/XObject << /I 3 0 R >>" if picture else b""
    for number, page in enumerate(pages):
        packed = isinstance(page, bytes)
        stream = page if isinstance(page, bytes) else b"BT /F1 12 Tf 72 700 Td (%s) Tj ET" % page.encode()
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> %s >> >>" % (5 + 2 * number, shown)
        )
        filters = b"/Filter /FlateDecode " if packed else b""
        objects.append(b"<< /Length %d %s>>\nstream\n%s\nendstream" % (len(stream), filters, stream))
    return _file(objects)


def _file(objects: Sequence[bytes]) -> bytes:
    out, offsets = b"%PDF-1.4\n", list[int]()
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table) + end


def locked(data: bytes, password: str, algorithm: str) -> bytes:
    """The PDF file behind a password; an empty one opens for everybody."""
    writer, out = PdfWriter(clone_from=PdfReader(io.BytesIO(data))), io.BytesIO()
    writer.encrypt(password, owner_password="owner", algorithm=algorithm)
    writer.write(out)
    return out.getvalue()


def compressed(piece: bytes, times: int) -> bytes:
    """The zlib stream of `piece` repeated, which is never held expanded."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(piece) for _ in range(times)) + packer.flush()


def word(body: str) -> str:
    return _WORD.format(body)


def docx(document: str, **parts: str) -> bytes:
    """A DOCX file; `parts` are further parts such as `footnotes`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        for name, xml in {"document": document, **parts}.items():
            archive.writestr(f"word/{name}.xml", xml)
    return out.getvalue()
