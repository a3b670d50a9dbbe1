"""Decodes octets of a message to text.

The first of these that is there decides: a byte order mark, the sender's label, the charset that HTML names in its
`meta` element, escape sequences, UTF-8 if it fits, another charset that the message names, and windows-1252.

Labels mean what they mean to browsers and mail clients (WHATWG Encoding): `iso-8859-1` is windows-1252, `gb2312` is
gb18030. Only the codecs in this table are used, because Python also ships codecs that take quadratic time or are no
charsets, and it caches every unknown name.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

from e2a_core.mail.iso2022 import decode_euc_jp, decode_iso2022_jp, looks_like_iso2022

__all__ = ["clean_line", "decode_bytes", "is_plain_ascii", "named_charset"]

META_OCTETS = 4096
"""Where HTML names its charset; browsers look at the first 1024 octets, and mail has longer preambles."""
NAMING_OCTETS = 64 * 1024
"""Octets of a message searched for the charsets that it names elsewhere."""
PIECE_OCTETS = 64 * 1024
"""Octets decoded in one step; a thread that decodes holds up the event loop for that long."""

_LABELS_BY_CODEC = {
    "utf-8": "utf-8 utf8 unicode-1-1-utf-8 unicode11utf8 x-unicode20utf8 cp65001 utf-8-mac",
    "cp1252": (
        "windows-1252 cp1252 x-cp1252 iso-8859-1 iso8859-1 iso_8859-1 latin1 latin-1 l1 cp819 ibm819 "
        "ansi ansi_x3.110-1983 iso-ir-100 csisolatin1 iso_8859-1:1987 win-1252 windows-latin1"
    ),
    "iso8859-2": "iso-8859-2 iso8859-2 latin2 l2 iso-ir-101 csisolatin2 iso_8859-2",
    "iso8859-3": "iso-8859-3 iso8859-3 latin3",
    "iso8859-4": "iso-8859-4 iso8859-4 latin4",
    "iso8859-5": "iso-8859-5 iso8859-5 cyrillic iso-ir-144 csisolatincyrillic",
    "iso8859-6": (
        "iso-8859-6 iso8859-6 arabic iso-8859-6-i iso-8859-6-e asmo-708 ecma-114 iso-ir-127 csisolatinarabic"
    ),
    "iso8859-7": "iso-8859-7 iso8859-7 greek ecma-118 elot_928 greek8 sun_eu_greek iso-ir-126 csisolatingreek",
    "iso8859-8": (
        "iso-8859-8 iso8859-8 hebrew iso-8859-8-i iso-8859-8-e visual logical iso-ir-138 csisolatinhebrew"
    ),
    "iso8859-10": "iso-8859-10 iso8859-10 latin6",
    "iso8859-13": "iso-8859-13 iso8859-13 latin7",
    "iso8859-14": "iso-8859-14 iso8859-14 latin8",
    "iso8859-15": "iso-8859-15 iso8859-15 latin9 latin-9",
    "iso8859-16": "iso-8859-16 iso8859-16 latin10",
    "cp1250": "windows-1250 cp1250 x-cp1250 win-1250",
    "cp1251": "windows-1251 cp1251 x-cp1251 win-1251 ansi-1251",
    "cp1253": "windows-1253 cp1253",
    "cp1254": "windows-1254 cp1254 iso-8859-9 iso8859-9 latin5 l5 win-1254 turkish csisolatin5 iso-ir-148",
    "cp1255": "windows-1255 cp1255",
    "cp1256": "windows-1256 cp1256",
    "cp1257": "windows-1257 cp1257 win-1257",
    "cp1258": "windows-1258 cp1258",
    "cp874": "windows-874 cp874 iso-8859-11 iso8859-11 tis-620 dos-874",
    "cp437": "cp437 ibm437",
    "cp850": "cp850 ibm850",
    "cp852": "cp852 ibm852",
    "cp866": "cp866 ibm866 866 csibm866",
    "koi8-r": "koi8-r koi8 koi koi8_r cskoi8r",
    "koi8-u": "koi8-u koi8-ru",
    "mac-roman": "macintosh mac x-mac-roman macroman",
    "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "gb18030": (
        "gb18030 gbk gb2312 gb_2312-80 x-gbk chinese cp936 windows-936 euc-cn gb_2312 csgb2312 iso-ir-58 "
        "gb_18030-2000 euccn cp54936"
    ),
    "hz": "hz-gb-2312 hz",
    "big5hkscs": "big5 big5-hkscs cn-big5 x-x-big5 cp950 windows-950 csbig5 big-5 big5-eten",
    "cp949": (
        "euc-kr ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 korean cp949 windows-949 uhc cseuckr "
        "ks_c_5601 iso-ir-149 csksc56011987 cp-949 euckr"
    ),
    "iso2022-kr": "iso-2022-kr",
    "cp932": (
        "shift_jis shift-jis sjis x-sjis ms_kanji windows-31j ms932 cp932 csshiftjis shift_jis_2004 "
        "x-ms-cp932 ibm943"
    ),
    "euc-jp": "euc-jp x-euc-jp",
    "iso2022_jp_ext": "iso-2022-jp iso-2022-jp-1 iso-2022-jp-ms cp50220 cp50221 csiso2022jp",
    "iso2022_jp_2004": "iso-2022-jp-2004 iso-2022-jp-3",
    "utf-16-le": "utf-16le utf-16 ucs-2 unicode csunicode iso-10646-ucs-2 unicodefeff",
    "utf-16-be": "utf-16be unicodefffe",
    "utf-32": "utf-32",
}
_CODECS = {label: codec for codec, labels in _LABELS_BY_CODEC.items() for label in labels.split()}
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")
_SQUEEZED = {_NOT_ALPHANUMERIC.sub("", label): codec for label, codec in _CODECS.items()}
"""For labels with other punctuation, such as `utf_8` or `cp-1252`."""
_DECODERS: dict[str, Callable[[bytes], str]] = {
    "iso2022_jp_ext": decode_iso2022_jp,
    "euc-jp": decode_euc_jp,
}
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_META = re.compile(
    rb"<meta\b[^>]{0,400}?\bcharset\s{0,9}=\s{0,9}[\"']?\s{0,9}([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE
)
_NAMED = re.compile(rb"(?:charset\*?\s{0,9}=\s{0,9}[\"']?|=\?)([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE)
_CONTROLS = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]+")
_WEAK = frozenset({"cp1252", "utf-8"})
"""Codecs of the labels that programs write without looking; escape sequences show that they are wrong."""


def decode_bytes(
    data: bytes, label: str | None = None, *, html: bool = False, other: str | None = None
) -> str:
    """Decode `data`. NUL and octets that are invalid in the charset become U+FFFD.

    `html` says that a `meta` element may name the charset. `other` is the label that decides if nothing else does, from
    `named_charset`.
    """
    codec = _codec(label) if label else None
    if (codec in _WEAK or (codec is None and not html)) and is_plain_ascii(data):
        return data.decode("ascii")  # the common case, for which nothing below says anything else
    codec = _marked(data) or codec
    if codec in (None, *_WEAK) and (escaped := looks_like_iso2022(data)):
        codec = _codec(escaped)
    if codec is None and html and (named := _META.search(data, 0, META_OCTETS)):
        # HTML whose meta element can be read as ASCII is not in UTF-16, whatever it says.
        meta = _codec(named[1].decode("ascii")) or ""
        codec = "utf-8" if meta.startswith("utf-16") else meta or None
    text = _decode(data, codec) if codec else _guess(data, other)
    if text.startswith("\ufeff"):
        text = text[1:]
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def is_plain_ascii(data: bytes) -> bool:
    """Whether all octets are ASCII, and none is NUL or the escape of ISO 2022."""
    return data.isascii() and b"\x1b" not in data and b"\x00" not in data


def _codec(label: str) -> str | None:
    name = label.strip(" \t\r\n\"';").lower()
    return _CODECS.get(name) or _SQUEEZED.get(_NOT_ALPHANUMERIC.sub("", name))


def _marked(data: bytes) -> str | None:
    """The codec that a byte order mark shows."""
    return next((codec for mark, codec in _MARKS if data.startswith(mark)), None)


def _decode(data: bytes, codec: str) -> str:
    if codec == "utf-16-le" and data[:2] != b"\xff\xfe" and data[:200:2].count(0) > data[1:200:2].count(0):
        codec = "utf-16-be"
    if codec in _DECODERS:
        return _DECODERS[codec](data)
    if len(data) <= PIECE_OCTETS:
        return data.decode(codec, "replace")
    decoder = codecs.getincrementaldecoder(codec)("replace")
    pieces = range(0, len(data), PIECE_OCTETS)
    return "".join(
        [*(decoder.decode(data[at : at + PIECE_OCTETS]) for at in pieces), decoder.decode(b"", True)]
    )


def _guess(data: bytes, other: str | None) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _decode(data, (_codec(other) if other else None) or "cp1252")


def named_charset(message: bytes) -> str | None:
    """The first charset besides UTF-8 and ASCII that the beginning of a message names in any part or encoded word.

    Leaves out those in which ASCII has another meaning: what has no label of its own is ASCII with some other octets.
    """
    labels = (match[1].decode("ascii") for match in _NAMED.finditer(message, 0, NAMING_OCTETS))
    return next((label for label in labels if (_codec(label) or "utf-8") not in _NO_GUESS), None)


_NO_GUESS = frozenset(
    {"utf-8", "utf-16-le", "utf-16-be", "utf-32", "hz", "iso2022-kr", "iso2022_jp_ext", "iso2022_jp_2004"}
)


def clean_line(text: str) -> str:
    """`text` on one line: each run of control characters and line ends becomes a space; the ends are trimmed."""
    if text.isprintable():
        return text.strip()
    return _CONTROLS.sub(" ", text).strip()
