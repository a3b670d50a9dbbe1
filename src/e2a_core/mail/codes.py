"""Finds one-time codes and verification links, the content agents most often wait for.

A code is recognised by nearby words in the languages that services write; without such words nothing counts as a
code.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import NamedTuple
from urllib.parse import urlsplit

from e2a_core.mail.html import Link, html_links, html_to_text

__all__ = ["MAX_CODES", "MAX_LINKS", "find_codes", "find_verification_links"]

MAX_CODES = 5
MAX_LINKS = 10
MAX_SCANNED_CHARS = 32 * 1024
"""Only this much of a message is scanned; codes appear near the top."""
WORDS_BEFORE = 160
"""Largest distance in characters from words such as "your code is" to the code, often in a separate HTML block."""
WORDS_AFTER = 60
"""Largest distance in characters from the code to such words after it."""
MAX_MATCHES = 200
"""Words and candidates compared with each other; bounds the work on long messages."""

_CODE = re.compile(
    r"(?<![\w@#$€£¥%/=&?.,:+-])"
    r"(?P<code>[A-Z]{1,3}-\d{4,8}|\d{4,8}|\d{3}[ -]\d{3,4}|\d{2}(?: \d{2}){2}|\d(?: \d){3,7}"
    r"|[A-Z0-9]{3,8}-[A-Z0-9]{3,8}|[A-Z0-9]{4,10})"
    r"(?![\w@%/=&€£]|[.,:]\d|-\w)"
)
_STRONG = re.compile(
    r"\b(?:(?:verification|security|login|sign[- ]?in|access|auth(?:entication|orization)?|confirmation) code|"
    r"one[- ]time (?:code|password|passcode|pin)|passcode|otp|2fa|"
    r"(?:verifizierungs|bestätigungs|sicherheits|einmal|zugangs|anmelde)code|"
    r"code de (?:vérification|confirmation|sécurité)|"
    r"código de (?:verificación|verificação|confirmación|confirmação|seguridad|segurança|acceso|acesso)|"
    r"codice di (?:verifica|conferma|sicurezza|accesso)|(?:verificatie|bevestigings|beveiligings)code|"
    r"kod (?:weryfikacyjny|potwierdzający|bezpieczeństwa)|verifieringskod|bekræftelseskode|vahvistuskoodi|"
    r"doğrulama kodu)\b|код подтверждения|проверочный код|код безопасности|код підтвердження|验证码|驗證碼|"
    r"認証コード|確認コード|検証コード|인증 ?(?:코드|번호)|رمز التحقق|קוד (?:ה)?אימות",
    re.IGNORECASE,
)
_WEAK = re.compile(
    r"\b(?:codes?|pin|token|kod|kode|koodi|código|codice|password|passwort)\b|код|コード|코드", re.IGNORECASE
)
_OTHER_CODES = re.compile(
    r"\b(?:zip|postal|post|promo|promotion|promotional|discount|coupon|voucher|referral|gift|source|area|country|"
    r"dress|error|status|exit|response|tracking|product|color|colour|tax|reservation|booking)"
    r"[- ]?(?:code|pin|token)s?\b"
    r"|\bcode (?:of|review|base|change|owner)s?\b|\bqr[- ]code\b|\bgutscheincode\b|\bcode promo\b",
    re.IGNORECASE,
)
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


class _Candidate(NamedTuple):
    weight: int
    position: int
    code: str


def find_codes(text: str, html: str | None = None) -> list[str]:
    """The one-time codes in a message, most likely first, without blanks inside; at most 5."""
    readable = text if text.strip() or not html else html_to_text(html)
    readable = readable[:MAX_SCANNED_CHARS]
    others = _spans(_OTHER_CODES, readable)
    strong = _spans(_STRONG, readable)
    weak = [span for span in _spans(_WEAK, readable) if not _inside(span, others)]
    if not strong and not weak:
        return []
    found = [
        candidate
        for match in islice(_CODE.finditer(readable), MAX_MATCHES)
        if (candidate := _weigh(readable, match, strong, weak)) is not None
    ]
    ordered = sorted(found, key=lambda item: (-item.weight, item.position))
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


def _weigh(
    text: str, match: re.Match[str], strong: list[tuple[int, int]], weak: list[tuple[int, int]]
) -> _Candidate | None:
    code = match["code"]
    digits = sum(char.isdigit() for char in code)
    # Words in capitals and short product names such as A320 are not codes.
    if digits < 2 or (
        not code[0].isdigit() and "-" not in code and digits == len(code) - 1 and len(code) < 5
    ):
        return None
    start, end = match.span("code")
    alone = text[text.rfind("\n", 0, start) + 1 : start].strip("> *\t") == "" and _line_rest(text, end) == ""
    weight = 2 * _nearness(text, start, end, strong) or _nearness(text, start, end, weak)
    if not weight or (_YEAR.match(code) and not alone and not _directly_after(text, start, strong + weak)):
        return None
    return _Candidate(weight + alone + (digits == len(code)), start, re.sub(r"(?<=\d)[ ](?=\d)", "", code))


def _spans(pattern: re.Pattern[str], text: str) -> list[tuple[int, int]]:
    return [match.span() for match in islice(pattern.finditer(text), MAX_MATCHES)]


def _nearness(text: str, start: int, end: int, words: list[tuple[int, int]]) -> int:
    """3 if one of the words precedes the code closely, 2 if one follows in the same sentence, else 0."""
    if any(0 <= start - after <= WORDS_BEFORE for _, after in words):
        return 3
    following = (text[end:before] for before, _ in words if 0 <= before - end <= WORDS_AFTER)
    return 2 if any("\n" not in between and ". " not in between for between in following) else 0


def _directly_after(text: str, start: int, words: list[tuple[int, int]]) -> bool:
    return any(0 <= start - after <= 12 and ":" in text[after:start] for _, after in words)


def _inside(span: tuple[int, int], others: list[tuple[int, int]]) -> bool:
    return any(start <= span[0] and span[1] <= end for start, end in others)


def _line_rest(text: str, end: int) -> str:
    newline = text.find("\n", end)
    return text[end : newline if newline >= 0 else len(text)].strip(" *\t.")


def _verifies(link: Link) -> bool:
    try:
        parts = urlsplit(link.url)
    except ValueError:
        return False
    where = f"{parts.path}?{parts.query}"
    if _OTHER_LINKS.search(where) or _OTHER_LINKS.search(link.text):
        return False
    return bool(_LINK_WORDS.search(where) or _LINK_WORDS.search(link.text))
