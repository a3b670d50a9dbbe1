"""Finds one-time codes and verification links, the content agents most often wait for.

A code is announced by words in the languages that services write (`code_words`); without such words nothing counts as
a code. The candidate nearest to the words wins. References, prices, years, telephone and order numbers are none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import NamedTuple
from urllib.parse import urlsplit

from e2a_core.mail.code_words import (
    BOOKING,
    CODE_PHRASES,
    ENTER,
    LINKING,
    OTHER_NUMBERS,
    PLAIN_CODE,
    POSSESSIVES,
    any_of,
)
from e2a_core.mail.html import Link, html_links, html_to_text

__all__ = ["MAX_CODES", "MAX_LINKS", "find_codes", "find_verification_links"]

MAX_CODES = 5
MAX_LINKS = 10
MAX_SCANNED_CHARS = 32 * 1024
"""Only this much of a message is scanned; codes appear near the top."""
CHARS_TO_LINE = 300
"""Largest distance from the announcement to a code on a line of its own, often in a separate HTML block."""
CHARS_IN_SENTENCE = 90
"""Largest distance from the announcement to a code in the same sentence."""
CHARS_BEFORE = 60
"""Largest distance from a code to the announcement after it."""
MAX_MATCHES = 200
"""Announcements and candidates compared with each other; bounds the work on long messages."""

_CODE = re.compile(
    r"(?<![\w@#$€£¥₹%/=&?.,:+-])(?<!\d[ .-])(?<!\d\) )"
    r"(?:(?P<spaced>[A-Z\d](?:[ \t|]{0,3}\n?[ \t|]{1,3}[A-Z\d]|\n[A-Z\d]){3,7})(?![ \t|\n]{1,3}[A-Z\d]\b)"
    r"|(?P<grouped>\d{3}[ -]\d{3,4}|\d{4}[ -]\d{4}|\d{2}(?:[ -]\d{2}){2,3})(?![ -]\d)"
    r"|(?P<plain>[A-Za-z]{1,3}-\d{4,8}|\d{4,8}|[A-Za-z0-9]{3,8}(?:-[A-Za-z0-9]{3,8}){1,2}|[A-Za-z0-9]{4,10}))"
    r"(?![\w@%/=&€£°#]|[.,:]\d|-\w| ?(?:EUR|USD|GBP|CHF|RUB|kr|zł|Kč|Ft|km|kg|GB|MB|px|min|円|元|원)\b)",
    re.ASCII,
)
_BETWEEN_MARKS = " \t\r\n\u00a0:：.=*_|>\"'“”„«»‘’`´【】「」『』[](){}<–—-！!،,、"
_SENTENCE_END = re.compile(r"[.!?](?:\s|\Z)|[。！？\n]")
_YEAR = re.compile(r"(?:19|20)\d\d\Z")
_URL = re.compile(r"https://[^\s<>\"'()\[\]{}|\\^`\u3000-\u303f\uff00-\uffef]{4,2000}")
_LINK_WORDS = re.compile(
    r"verif|confirm|activat|validat|magic|passwordless|one[-_]?time|otp|reset|sign[-_ ]?in|log[-_ ]?in|"
    r"set[-_ ]?password|bestätig|aktivier|zurücksetz|anmelden|vérifi|réinitialis|connexion|activer|verificar|"
    r"activar|restablecer|iniciar sesión|redefinir|ativar|conferma|attiva|reimposta|accedi|bevestig|activeer|"
    r"potwierdź|aktywuj|zresetuj|bekräfta|aktivera|подтверд|активир|сброс|войти|验证|確認|认证|認証|激活|重置|"
    r"登录|登錄|ログイン|인증|확인|로그인",
    re.IGNORECASE,
)
_OTHER_LINKS = re.compile(
    r"unsubscri|opt[-_]?out|preferences|abmelden|désabonn|cancelar suscripción|disiscriv|uitschrijven|wypisz|"
    r"отпис|退订|配信停止|privacy|terms|\.(?:png|jpe?g|gif|css|js|ico|svg|webp)(?:\?|$)",
    re.IGNORECASE,
)


@cache
def _compiled(name: str) -> re.Pattern[str]:
    """Compiled on first use: the tables are long, and most processes never need them."""
    capitalised = r"(?-i:[A-ZÀ-ÞА-Я][\w&'’-]{0,30})"
    return re.compile(
        {
            "phrase": rf"(?<![a-zà-ÿа-яё])(?:{any_of(CODE_PHRASES)})",
            "owned": rf"(?<!\w)(?:{any_of(POSSESSIVES)}|{any_of(ENTER)})\s(?:{capitalised}\s){{0,3}}"
            rf"(?:{any_of(PLAIN_CODE)})(?!\w|-)",
            "labelled": rf"(?m:^)[ \t>*]*(?:{any_of(PLAIN_CODE)}|otp)[ \t]*[:：=]",
            "linking": rf"(?<!\w)(?:{any_of(LINKING)})(?!\w)",
            "enter": rf"(?:{any_of(ENTER)})\W{{1,3}}\Z",
            "other": rf"(?<!\w)(?:{any_of(OTHER_NUMBERS)})(?:[ \t]?(?:no|nr|number|id|code|n°))?[ \t.:：#№-]{{0,3}}\Z",
            "booking": rf"(?<!\w)(?:{any_of(BOOKING)})",
        }[name],
        re.IGNORECASE,
    )


_REFERENCE_PHRASE = re.compile(
    r"confirm|bestätig|conferm|bevestig|potwierd|bekräft|bekreft|vahvist|potvr|megerős|confirmare|access|acc[eè]s|accesso|zugang"
    r"|acceso|acesso|dostęp|toegang|passcode|adgang|확인|確認|确认|確認|подтвержд|подтверж|onay|tan",
    re.IGNORECASE,
)
_SIGNING_IN = re.compile(
    r"sign(?:ing)?[ -]?in|log(?:ging)?[ -]?in|verif|authenticat|anmeld|einlogg|connexion|connecter|iniciar sesión|acced"
    r"|inlogg|logowan|zalogow|logga in|logg inn|log ind|kirjaudu|přihl|bejelentkez|autentific|giriş|войти|вход|увійти"
    r"|登录|登錄|登入|ログイン|로그인|دخول|כניסה",
    re.IGNORECASE,
)
_TO_SIGN_IN = re.compile(
    r"[ ,]*(?:to|in order to) (?:verify|confirm (?:your|it)|sign in|log in|login|authenticate|finish signing|complete)",
    re.IGNORECASE,
)


class _Words(NamedTuple):
    """An announcement in the text.

    `plain` if the words alone would not prove that a code is meant; `signing_in` if the mail is about that.
    """

    start: int
    end: int
    plain: bool
    signing_in: bool


class _Candidate(NamedTuple):
    cost: int
    position: int
    code: str


def find_codes(text: str, html: str | None = None, *, subject: str = "") -> list[str]:
    """The one-time codes in a message, likeliest first, without blanks inside; at most 5."""
    body = text if text.strip() or not html else html_to_text(html)
    readable = _plain_digits(f"{subject}\n\n{body}"[:MAX_SCANNED_CHARS])
    words = list(_announcements(readable))
    found = [
        _Candidate(cost, match.start(), code)
        for match in islice(_CODE.finditer(readable), MAX_MATCHES)
        if (code := _code_of(match)) and (cost := _cost(readable, match, code, words)) is not None
    ]
    ordered = sorted(found)
    return list(dict.fromkeys(item.code for item in ordered))[:MAX_CODES]


def find_verification_links(text: str, html: str | None = None) -> list[str]:
    """The https links that verify, confirm, activate, reset or sign in, in order of appearance; at most 10."""
    links = html_links(html) if html else []
    links += [Link(match[0].rstrip(".,;:!?'\"*_>"), "") for match in _URL.finditer(text[:MAX_SCANNED_CHARS])]
    found: dict[str, None] = {}
    for link in links:
        if link.url.lower().startswith("https://") and _verifies(link):
            found.setdefault(link.url)
            if len(found) >= MAX_LINKS:
                break
    return list(found)


def _plain_digits(text: str) -> str:
    """`text` with the digits of other scripts as ASCII, and without invisible characters between digits."""
    if text.isascii():
        return text
    return "".join(_plain(char) for char in text if char not in "\u200b\u200c\u200d\u2060\ufeff\u00ad")


def _plain(char: str) -> str:
    if char.isascii():
        return char
    if char.isdecimal():
        return str(unicodedata.digit(char))
    return (
        " "
        if char in "\u00a0\u2007\u2009\u202f\u3000"
        else "-"
        if char in "\u2010\u2011\u2012\u2013"
        else char
    )


def _announcements(text: str) -> Iterator[_Words]:
    in_booking = _compiled("booking").search(text) is not None
    for match in islice(_compiled("phrase").finditer(text), MAX_MATCHES):
        if not (in_booking and _REFERENCE_PHRASE.search(match[0])):
            yield _Words(match.start(), match.end(), False, True)
    if in_booking:
        return
    signing_in = _SIGNING_IN.search(text) is not None
    for name in ("owned", "labelled"):
        for match in islice(_compiled(name).finditer(text), MAX_MATCHES):
            yield _Words(match.start(), match.end(), True, signing_in)


def _code_of(match: re.Match[str]) -> str:
    """The code without blanks; empty if it cannot be one: a plain word, or letters with a single digit such as A320."""
    if match["spaced"]:
        code = re.sub(r"[\s|]", "", match["spaced"])
        return code if sum(map(str.isdigit, code)) >= 2 else ""
    if match["grouped"]:
        return re.sub(r"[ -]", "", match["grouped"])
    return match["plain"]


def _cost(text: str, match: re.Match[str], code: str, words: list[_Words]) -> int | None:
    """How far the code is from its announcement; None if nothing announces it."""
    start, end = match.span()
    if _compiled("other").search(text, max(0, start - 40), start):
        return None
    alone = _is_alone(text, start, end)
    costs = [cost for item in words if (cost := _distance(text, start, end, code, item, alone)) is not None]
    if not costs and code.isdigit() and _TO_SIGN_IN.match(text, end) and _is_entered(text, start):
        return CHARS_IN_SENTENCE
    return min(costs, default=None)


def _distance(text: str, start: int, end: int, code: str, words: _Words, alone: bool) -> int | None:
    if words.end <= start:
        if start - words.end > CHARS_TO_LINE:
            return None
        between = text[words.end : start]
        tight = len(between) <= CHARS_IN_SENTENCE and not _linked(between)
        labelled = _is_label(between)
        if not _looks_like_code(code, tight, alone, labelled=labelled):
            return None
        if tight:
            return len(between)
        if _YEAR.match(code) or (words.plain and not (alone and words.signing_in and code.isdigit())):
            return None
        if alone:
            return CHARS_IN_SENTENCE + len(between)
        entered = _is_entered(text, start)
        if not entered and _SENTENCE_END.search(between.rstrip(_BETWEEN_MARKS.replace(".", ""))):
            return None
        return CHARS_IN_SENTENCE + len(between) if len(between) <= CHARS_IN_SENTENCE or entered else None
    between = text[end : words.start]
    if len(between) > CHARS_BEFORE or _YEAR.match(code) or not _has_digits(code):
        return None
    if _SENTENCE_END.search(between) and not alone:
        return None
    if words.plain and _linked(between):
        return None
    return CHARS_BEFORE + len(between)


def _is_entered(text: str, start: int) -> bool:
    """Whether a word such as "enter" or "use" stands right before the code."""
    return _compiled("enter").search(text, max(0, start - 24), start) is not None


def _linked(between: str) -> str:
    """What stands between announcement and code besides linking words and punctuation."""
    if any(char.isdigit() for char in between) or between.count("\n") > 3:
        return between
    return _compiled("linking").sub(" ", between).strip(_BETWEEN_MARKS)


def _is_label(between: str) -> bool:
    return between.strip(" \t\n\r*_").endswith((":", "：", "is", "ist", "est", "es", "「", "【", "["))


def _looks_like_code(code: str, tight: bool, alone: bool, *, labelled: bool) -> bool:
    if _has_digits(code):
        # A single digit among letters is a product name such as A320, unless the code is announced right before.
        return tight or alone or sum(map(str.isdigit, code)) >= 2
    letters = code.replace("-", "")
    if letters.isupper():
        return len(letters) >= 5 and labelled and (alone or tight)
    # A lower-case word is a code only where nothing else can be meant.
    return alone and tight and labelled and len(letters) >= 5


def _has_digits(code: str) -> bool:
    return any(map(str.isdigit, code))


def _is_alone(text: str, start: int, end: int) -> bool:
    """Whether the code has its line, or its cell of a table, for itself."""
    before = text[text.rfind("\n", 0, start) + 1 : start]
    newline = text.find("\n", end)
    after = text[end : newline if newline >= 0 else len(text)]
    return not before.strip("> *\t|#-[(\"'") and not after.strip(" *\t.|-])\"'")


def _verifies(link: Link) -> bool:
    try:
        parts = urlsplit(link.url)
    except ValueError:
        return False
    where = f"{parts.path}?{parts.query}"
    if _OTHER_LINKS.search(where) or _OTHER_LINKS.search(link.text):
        return False
    return bool(_LINK_WORDS.search(where) or _LINK_WORDS.search(link.text))
