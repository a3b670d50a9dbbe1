"""Recognises the lines with which mail clients, in many languages, mark quoted and forwarded text."""

from __future__ import annotations

import re
from functools import cache

__all__ = [
    "ends_attribution",
    "has_date_or_address",
    "is_attribution",
    "is_block_field",
    "is_forward_mark",
    "is_from_field",
    "is_original_mark",
    "is_quoted",
    "is_rule",
    "may_be_mark",
]

_VERBS = """
    wrote|writes|said|schrieb(?:en)?|(?:a )?écrit|escribió|escribio|ha scritto|escreveu|schreef|va escriure
    napisał(?:a|\\(a\\)|/a)?|pisze|skrev|kirjoitti|napsal(?:a|\\(a\\))?|napísal(?:a|\\(a\\))?|írta|a scris|yazdı
    пишет|написал(?:а|\\(а\\))?|пише|написав(?:ла|\\(ла\\))?|έγραψε|viết|menulis|je napisa[ol]|rakstīja|rašė|kirjutas
    写道|寫道|写到|書いた|書きました|のメール|님이 작성|작성|씀|เขียน|كتب|כתב(?:/ה|ה)?|लिखा
"""
_OPENINGS = """
    On|At|Am|Le|El|Il|Em|Op|W dniu|Den|Dne|Dňa|Dana|În|Pada|Vào|Στις|Tarih|A \\d{4}
    \\d{1,4}[./年년-]|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|lun|mar|mer|jeu|ven|sam|dim|Mo|Di|Mi|Do|Fr|Sa|So)\\w{0,7}[.,]
    (?:pon|wt|śr|czw|pt|сб|вс|пн|вт|ср|чт|пт)\\w{0,7}[.,]
"""
_ORIGINALS = """
    Original Message|Original Appointment|Urspr(?:ü|ue|u)ngliche Nachricht|Message d['’]origine|Message original
    Mensaje original|Messaggio originale|Mensagem original|Oorspronkelijke? bericht|Wiadomość oryginalna
    Oryginalna wiadomość|Ursprungligt meddelande|Opprinnelig melding|Oprindelig meddelelse|Alkuperäinen viesti
    Původní zpráva|Eredeti üzenet|Исходное сообщение|Оригинальное сообщение|Orijinal Mesaj|原始邮件|原始郵件
    元のメッセージ|원본 메시지|Reply message
"""
_FORWARDS = """
    Forwarded message|Forwarded by [^\\n]{1,100}|Begin forwarded message|Weitergeleitete Nachricht
    Anfang der weitergeleiteten (?:Nachricht|E-Mail)|Message transféré|Message transmis
    Début du message (?:transféré|réexpédié)|Mensaje reenviado|Inicio del mensaje reenviado|Messaggio inoltrato
    Inizio messaggio inoltrato|Mensagem encaminhada|Início da mensagem (?:encaminhada|reencaminhada)
    (?:Begin )?doorgestuurd bericht|Wiadomość przekazana|Przekazana wiadomość|Treść przekazanej wiadomości
    Vidarebefordrat meddelande|Videresendt (?:melding|besked)|Välitetty viesti|Přeposlaná zpráva
    Továbbított üzenet|Пересылаемое сообщение|Пересланное сообщение|Переслане повідомлення|İletilen mesaj
    转发的邮件|轉寄的郵件|转发邮件|転送メッセージ|転送されたメッセージ|전달된 메시지
"""
_FROM_NAMES = """
    From|Von|De|Da|Van|Od|Från|Fra|Lähettäjä|Feladó|От|Від|Gönderen|Kimden|Από|Expéditeur
    发件人|寄件者|寄件人|差出人|送信者|보낸 사람|보낸사람
"""
_BLOCK_NAMES = """
    Sent|Date|To|Cc|Subject|Gesendet|Datum|An|Betreff|Envoyé|À|A|Objet|Enviado(?: el)?|Fecha|Para|Asunto|Inviato|Data
    Oggetto|Enviada(?: em)?|Assunto|Verzonden|Aan|Onderwerp|Wysłano|Do|Temat|Skickat|Till|Ämne|Sendt|Til|Emne
    Lähetetty|Vastaanottaja|Aihe|Odesláno|Komu|Předmět|Elküldve|Címzett|Tárgy|Отправлено|Дата|Кому|Тема
    Gönderildi|Kime|Konu|发送时间|日期|收件人|主题|寄件日期|收件者|主旨|送信日時|日時|宛先|件名|보낸 날짜|받는 사람|제목
"""


def _any_of(words: str) -> str:
    return "|".join(line.strip() for line in words.strip().splitlines())


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compiles on first use: compiling all patterns takes longer than importing the rest of the package."""
    return re.compile(pattern, re.IGNORECASE)


MAX_ATTRIBUTION_CHARS = 400
"""An attribution holds a date, a name and an address; a longer line is prose."""

_VERB_AT_END = rf"(?:{_any_of(_VERBS)})(?:\s*\([^()\n]{{0,120}}\)|\s[^\n:：]{{0,60}})?\s*[:：]\Z"
_DATED_AND_ADDRESSED = re.compile(
    r"[^\n]{0,150}\b\d{4}(?!\d)[^\n]{0,200}<[^<>\s]+@[^<>\s]+>[^\n:：]{0,20}[:：]\Z"
)
"""Some languages use no verb: the attribution is a date followed by the author's address."""
_HEBREW_DATED = re.compile(r"[\u200e\u200f\u202a-\u202e]*בתאריך [^\n]{5,300}[:：]\Z")
_EVIDENCE = re.compile(r"[^\s<>@]@[^\s<>@]|\b\d{1,2}[:.h]\d{2}\b|\b\d{4}\b|\d{1,2}[./]\d{1,2}[./]")
"""A date or an address; without this condition, "as the poet wrote:" would count as an attribution."""
_OPENING = rf"\s*(?:{_any_of(_OPENINGS)})"
_ORIGINAL = rf"\s*[-_]{{2,}}\s*(?:{_any_of(_ORIGINALS)})\s*[-_]{{2,}}\s*\Z"
_FORWARD = (
    rf"[ >\t]*(?:-{{2,}}\s*(?:{_any_of(_FORWARDS)})\s*[:：]?\s*-*|(?:{_any_of(_FORWARDS)})\s*[:：])\s*\Z"
)
_FROM_FIELD = rf"[ \t]*\*?(?:{_any_of(_FROM_NAMES)})\s*\*?\s*[:：]\*?\s*\S"
_BLOCK_FIELD = rf"[ \t]*\*?(?:{_any_of(_BLOCK_NAMES)})\s*\*?\s*[:：]"
_RULE = re.compile(r"\s*(?:_{10,}|-{3,})\s*\Z")


def may_be_mark(line: str) -> bool:
    """Whether a non-empty line can be one of these marks at all: a cheap test that is False for most prose."""
    return line[0] in " \t>-_" or ":" in line or "：" in line


def is_attribution(line: str) -> bool:
    """Whether an unwrapped line attributes the text below it: "On Tue, 1 Sep 2026 at 10:00, Ann wrote:"."""
    if len(line) > MAX_ATTRIBUTION_CHARS:
        return False
    if _compiled(_OPENING).match(line) and _compiled(_VERB_AT_END).search(line) and _EVIDENCE.search(line):
        return True
    return bool(_DATED_AND_ADDRESSED.match(line) or _HEBREW_DATED.match(line))


def ends_attribution(line: str) -> bool:
    """Whether a line ends like an attribution. Without a date or an address this is only a hint."""
    return len(line) <= MAX_ATTRIBUTION_CHARS and _compiled(_VERB_AT_END).search(line) is not None


def has_date_or_address(line: str) -> bool:
    return _EVIDENCE.search(line) is not None


def is_original_mark(line: str) -> bool:
    """Whether the line is `-----Original Message-----`, as Outlook and other clients write it."""
    return _compiled(_ORIGINAL).match(line) is not None


def is_forward_mark(line: str) -> bool:
    """Whether the line introduces a forward: `---------- Forwarded message ---------`, `Begin forwarded message:`."""
    return _compiled(_FORWARD).match(line) is not None


def is_from_field(line: str) -> bool:
    """Whether the line is the first of the header block that Outlook puts above an original message."""
    return _compiled(_FROM_FIELD).match(line) is not None


def is_block_field(line: str) -> bool:
    """Whether the line can be a later line of such a header block."""
    return _compiled(_BLOCK_FIELD).match(line) is not None


def is_quoted(line: str) -> bool:
    return line.startswith((">", " >", "  >", "   >"))


def is_rule(line: str) -> bool:
    """Whether the line is a rule of underscores or dashes."""
    return _RULE.match(line) is not None
