"""Decodes octets of a message to text by the sender's charset label.

Labels mean what they mean to browsers and mail clients (WHATWG Encoding): `iso-8859-1` is windows-1252, `gb2312` is
gb18030. Only the codecs in this table are used, because Python also ships codecs that take quadratic time or are no
charsets, and it caches every unknown name.
"""

from __future__ import annotations

import re

__all__ = ["clean_line", "decode_bytes"]

_LABELS_BY_CODEC = {
    "utf-8": "utf-8 utf8 unicode-1-1-utf-8 unicode11utf8 x-unicode20utf8 cp65001 utf-8-mac",
    "cp1252": "windows-1252 cp1252 x-cp1252 iso-8859-1 iso8859-1 iso_8859-1 latin1 latin-1 l1 cp819 ibm819 ansi",
    "iso8859-2": "iso-8859-2 iso8859-2 latin2 l2",
    "iso8859-3": "iso-8859-3 iso8859-3 latin3",
    "iso8859-4": "iso-8859-4 iso8859-4 latin4",
    "iso8859-5": "iso-8859-5 iso8859-5 cyrillic",
    "iso8859-6": "iso-8859-6 iso8859-6 arabic iso-8859-6-i iso-8859-6-e",
    "iso8859-7": "iso-8859-7 iso8859-7 greek",
    "iso8859-8": "iso-8859-8 iso8859-8 hebrew iso-8859-8-i iso-8859-8-e visual logical",
    "iso8859-10": "iso-8859-10 iso8859-10 latin6",
    "iso8859-13": "iso-8859-13 iso8859-13 latin7",
    "iso8859-14": "iso-8859-14 iso8859-14 latin8",
    "iso8859-15": "iso-8859-15 iso8859-15 latin9 latin-9",
    "iso8859-16": "iso-8859-16 iso8859-16 latin10",
    "cp1250": "windows-1250 cp1250 x-cp1250",
    "cp1251": "windows-1251 cp1251 x-cp1251",
    "cp1253": "windows-1253 cp1253",
    "cp1254": "windows-1254 cp1254 iso-8859-9 iso8859-9 latin5 l5",
    "cp1255": "windows-1255 cp1255",
    "cp1256": "windows-1256 cp1256",
    "cp1257": "windows-1257 cp1257",
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
    "gb18030": "gb18030 gbk gb2312 gb_2312-80 x-gbk chinese cp936 windows-936 euc-cn gb_2312 csgb2312 iso-ir-58",
    "hz": "hz-gb-2312 hz",
    "big5hkscs": "big5 big5-hkscs cn-big5 x-x-big5 cp950 windows-950",
    "cp949": "euc-kr ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 korean cp949 windows-949 uhc cseuckr",
    "iso2022-kr": "iso-2022-kr",
    "cp932": "shift_jis shift-jis sjis x-sjis ms_kanji windows-31j ms932 cp932 csshiftjis",
    "euc-jp": "euc-jp x-euc-jp",
    "iso2022_jp_ext": "iso-2022-jp iso-2022-jp-1 iso-2022-jp-ms cp50220 cp50221 csiso2022jp",
    "iso2022_jp_2004": "iso-2022-jp-2004 iso-2022-jp-3",
    "utf-16-le": "utf-16le utf-16 ucs-2 unicode csunicode iso-10646-ucs-2",
    "utf-16-be": "utf-16be unicodefffe",
    "utf-32": "utf-32",
}
_CODECS = {label: codec for codec, labels in _LABELS_BY_CODEC.items() for label in labels.split()}
_CONTROLS = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]+")


def decode_bytes(data: bytes, label: str | None = None) -> str:
    """Decode `data`. NUL and octets that are invalid in the charset become U+FFFD.

    Without a label, or with an unknown one or `us-ascii`, decodes as UTF-8 if valid, otherwise as windows-1252.
    """
    codec = _CODECS.get(label.strip(" \t\"'").lower()) if label else None
    if codec is None:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
    else:
        text = data.decode(codec, "replace")
    if text.startswith("\ufeff"):
        text = text[1:]
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def clean_line(text: str) -> str:
    """`text` on one line: each run of control characters and line ends becomes a space; the ends are trimmed."""
    if text.isprintable():
        return text.strip()
    return _CONTROLS.sub(" ", text).strip()
