"""Recognises the lines with which mail clients, in many languages, mark quoted and forwarded text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

__all__ = [
    "ends_attribution",
    "has_date_or_address",
    "is_attribution",
    "block_field",
    "has_address",
    "has_date",
    "is_forward_mark",
    "is_original_mark",
    "is_quoted",
    "is_reply_subject",
    "is_rule",
    "is_zoho_attribution",
    "possible_marks",
]

_VERBS = """
    wrote|writes|said|schrieb(?:en)?|(?:a )?écrit|escribió|escribio|ha scritto|escreveu|schreef|va escriure
    napisał(?:a|\\(a\\)|/a)?|pisze|skrev|kirjoitti|napsal(?:a|\\(a\\))?|napísal(?:a|\\(a\\))?|írta|a scris|yazdı
    пишет|написал(?:а|\\(а\\))?|пише|написав(?:ла|\\(ла\\))?|έγραψε|viết|menulis|je napisa[ol]|rakstīja|rašė
    kirjutas
    写道|寫道|写到|書いた|書きました|のメール|님이 작성|작성|씀|เขียน(?:ว่า)?|كتب(?:ت)?|כתב(?:/ה|ה)?|लिखा
    (?:hat )?(?:folgendes )?geschrieben|het volgende geschreven|heeft (?:het volgende )?geschreven
    het geskryf|ha escrit
    escribiu|escreveu o seguinte|a scris următoarele|skrifaði|skrev følgende|skrev följande|napsal/a
    napísal/a|je (?:na)?pisal(?:a|/a)?
    je napisao/la|је написао(?:/ла)?|написа(?:ла)?|напиша|raksta|rakstīja|rašo|parašė|kirjoitti seuraavasti
    idatzi du
    ysgrifennodd|scríobh|đã viết|aliandika|sumulat|نوشت|ने लिखा|লিখেছেন|எழுதியது|ได้เขียน|שלח/ה|menulis berikut
    escribió lo siguiente|a écrit ce qui suit|ha scritto quanto segue|wrote the following
"""
_OPENINGS = """
    On|At|Am|Le|El|Il|Em|Op|W dniu|Den|Dne|Dňa|Dana|În|Pada|Vào|Στις|Tarih|A \\d{4}
    \\d{1,4}[./年년-]
    (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|lun|mar|mer|jeu|ven|sam|dim|Mo|Di|Mi|Do|Fr|Sa|So)\\w{0,7}[.,]
    (?:pon|wt|śr|czw|pt|сб|вс|пн|вт|ср|чт|пт)\\w{0,7}[.,]
"""
_ORIGINALS = """
    Original Message|Original Appointment|Urspr(?:ü|ue|u)ngliche Nachricht|Message d['’]origine|Message original
    Mensaje original|Messaggio originale|Mensagem original|Oorspronkelijke? bericht|Wiadomość oryginalna
    Oryginalna wiadomość|Ursprungligt meddelande|Opprinnelig melding|Oprindelig meddelelse|Alkuperäinen viesti
    Původní zpráva|Eredeti üzenet|Исходное сообщение|Оригинальное сообщение|Orijinal Mesaj|原始邮件|原始郵件
    元のメッセージ|원본 메시지|Reply message|Original|Replied Message|Original E-?mail|Original Text
    Ursprüngliche E-?Mail
    Ursprüngliche Mail|Originalnachricht|Message d['’]origine|Courriel original|Correo original
    Missatge original|Mensaxe orixinal
    Messaggio Originale|E-?mail original|Mensagem Original|Origineel bericht|Ursprungsmeddelande
    Originalmeddelande
    Opprinnelig e-post|Original besked|Alkuperäinen sähköposti|Pôvodná správa|Původní e-mail
    Izvirno sporočilo|Izvorna poruka
    Originalna poruka|Оригинална порука|Оригинално съобщение|Исходное письмо|Початкове повідомлення
    Оригінальне повідомлення
    Mesaj original|Mesajul original|Αρχικό μήνυμα|Algne kiri|Algteade|Pradinis laiškas|Sākotnējais ziņojums
    Upprunaleg skilaboð
    Özgün İleti|Orijinal İleti|Tin nhắn gốc|Thư gốc|Pesan asli|Mesej Asal|ข้อความต้นฉบับ|मूल संदेश
    الرسالة الأصلية|הודעה מקורית
    پیام اصلی|回复的原邮件|回复的邮件|原邮件|原始訊息|原始信件|オリジナルメッセージ|원본메시지|원본 메일
    Jatorrizko mezua
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
    From|Von|De(?: la)?|Da|Van|Od|Från|Fra|Frá|Lähettäjä|Feladó|От|Від|Од|Gönderen|Kimden|Από|Expéditeur
    Mittente|Remitente
    Remetente|Afzender|Nadawca|Avsändare|Avsender|Afsender|Odesílatel|Odosielateľ|Pošiljatelj|Šalje|Saatja
    Kellelt|Nuo|No|Från
    Von/From|Отправитель|Відправник|Подател|Expeditor|Nork|Dari|Daripada|Từ|Người gửi|จาก|द्वारा|प्रेषक|من
    از|מאת|שולח
    发件人|寄件者|寄件人|差出人|送信者|보낸 사람|보낸사람|발신|Dirigente|Remitent|Feladva|Sender
"""
_DATE_NAMES = """
    Sent|Date|Gesendet(?: am)?|Datum|Envoyé(?: le)?|Enviado(?: el| em)?|Fecha|Inviato|Data(?: wysłania)?
    Enviada(?: em)?|Verzonden
    Wysłan[oe]|Skickat|Sendt|Dato|Lähetetty|Päivämäärä|Päiväys|Pvm|Odesláno|Odoslané|Dátum|Elküldve|Küldve
    Отправлено|Дата
    Надіслано|Изпратено|Послато|Gönderildi|Gönderme Tarihi|Gönderilme zamanı|Tarih|Trimis(?: la)?|Στάλθηκε
    Ημερομηνία|Poslano
    Poslato|Saadetud|Kuupäev|Išsiųsta|Nosūtīts|Datums|Sent|Enviat(?: el)?|Bidalia|Noiz|Dikirim|Dihantar
    Tanggal|Tarikh|Đã gửi
    Ngày|ส่ง(?:เมื่อ)?|วันที่|भेजा गया|दिनांक|تم الإرسال|التاريخ|ارسال شده|تاریخ|נשלח|תאריך|发送时间
    发送日期|日期|时间|寄件日期|傳送日期
    送信日時|日時|日付|보낸 날짜|보낸 시간|날짜|Sent at|Wysłano dnia|Dagsetning|Sent:
"""
_TO_NAMES = """
    To|Cc|Bcc|An|Kopie|À|A|Para|Aan|Do|DW|Till|Til|Kopia|Vastaanottaja|Kopio|Komu|Címzett|Másolatot kap|Кому
    Копия|Копія|До|За
    Kime|Bilgi|Către|Catre|Προς|Κοιν(?:οποίηση)?|Za|Prima|Prima|Kp|Saaja|Kellele|Kam|Kopija|Kam|Kopija|Nori
    Nork|Kepada|Đến
    Người nhận|ถึง|สำเนา|प्रति|प्राप्तकर्ता|إلى|نسخة|به|אל|עותק|收件人|抄送|收件者|副本|宛先|받는 사람
    받는사람|참조|수신|Per a|Tej|Viðtakandi
    Destinataire|Destinatario|Destinatário|Odbiorca|Mottaker|Modtager|Mottagare|Empfänger|Ontvanger
    Получатель|Till och med
    Reply-To|Antwort an|Répondre à|Responder a|Rispondi a
"""
_SUBJECT_NAMES = """
    Subject|Betreff|Objet|Sujet|Asunto|Oggetto|Assunto|Onderwerp|Temat|Ämne|Emne|Aihe|Předmět|Predmet|Tárgy
    Тема|Относно|Предмет
    Konu|Subiect|Θέμα|Zadeva|Naslov|Teema|Tema|Temats|Efni|Assumpte|Gaia|Perihal|Subjek|Subyek|Chủ đề|Chủ Đề
    Tiêu đề
    เรื่อง|ชื่อเรื่อง|विषय|الموضوع|موضوع|נושא|主题|主旨|标题|件名|제목
"""


def _any_of(words: str) -> str:
    return "|".join(line.strip() for line in words.strip().splitlines())


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compiles on first use: compiling all patterns takes longer than importing the rest of the package."""
    return re.compile(pattern, re.IGNORECASE)


MAX_ATTRIBUTION_CHARS = 400
"""An attribution holds a date, a name and an address; a longer line is prose."""

_VERB_AT_END = (
    rf"(?:{_any_of(_VERBS)})(?:\s*\([^()\n]{{0,120}}\)|\s(?:[^\n:：]|(?<=\d):(?=\d)){{0,80}})?\s*[:：]\Z"
)
_DATED_AND_ADDRESSED = re.compile(
    r"[^\n]{0,150}\b\d{4}(?!\d)[^\n]{0,200}<[^<>\s]+@[^<>\s]+>[^\n:：]{0,20}[:：]\Z"
)
"""Some languages use no verb: the attribution is a date followed by the author's address."""
_HEBREW_DATED = re.compile(r"[\u200e\u200f\u202a-\u202e]*בתאריך [^\n]{5,300}[:：]\Z")
_EVIDENCE = re.compile(r"[^\s<>@]@[^\s<>@]|\b\d{1,2}[:.h]\d{2}\b|\b\d{4}\b|\d{1,2}[./]\d{1,2}[./]")
"""A date or an address; without this condition, "as the poet wrote:" would count as an attribution."""
_OPENING = rf"\s*(?:{_any_of(_OPENINGS)})"
_ORIGINAL = rf"\s*[-_\u2010-\u2014]{{2,}}\s*(?:{_any_of(_ORIGINALS)})\s*:?\s*[-_\u2010-\u2014]{{2,}}\s*\Z"
_FORWARD = (
    rf"[ >\t]*(?:-{{2,}}\s*(?:{_any_of(_FORWARDS)})\s*[:：]?\s*-*|(?:{_any_of(_FORWARDS)})\s*[:：])\s*\Z"
)
_FIELDS = {
    name: rf"[ \t|*]*(?:{_any_of(words)})[ \t*|]*(?:[:：]|(?<=\|))"
    for name, words in {
        "from": _FROM_NAMES,
        "date": _DATE_NAMES,
        "to": _TO_NAMES,
        "subject": _SUBJECT_NAMES,
    }.items()
}
"""The fields of the header block above an original; NetEase writes them as rows of a table."""
_REPLY_SUBJECT = re.compile(
    r"\s*(?:\[[^\]]{1,40}\]\s*)?(?:re|aw|antw|antwort|sv|vs|vast|odp|odg|ynt|yan|res|rif|r|ref|απ|απάντηση|σχετ|відп|відповідь"
    r"|ответ|отв|отг|на|bls|balas|vá|atb|hth|回复|回覆|答复|答覆|返信|회신|답장|رد|השב|תשובה|ตอบ|trả lời)"
    r"(?:[\[(^]\d{1,3}[\])]?)?\s*[:：]",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"[^\s<>@\[\]]@[^\s<>@\[\]]+\.[^\s<>@\[\]]")
_DATED = re.compile(r"\b\d{4}\b|\d{4}[年년]|\b\d{1,2}[:.h]\d{2}\b")
_ZOHO = re.compile(r"-{3,}\s*(\S.{5,380}?)\s*:?\s*-{3,}\Z")
_FIRST_OF_MARKS = " \t>-_|\u2010"
_RULE = re.compile(r"\s*(?:_{10,}|-{3,})\s*\Z")


def possible_marks(lines: Sequence[str]) -> list[int]:
    """The lines that can be one of these marks at all: a cheap test that is False for most prose."""
    return [
        at
        for at, line in enumerate(lines)
        if line and (line[0] in _FIRST_OF_MARKS or ":" in line or "：" in line)
    ]


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


def block_field(line: str) -> str:
    """Which field of a header block the line is: `from`, `date`, `to`, `subject`, or "" for none."""
    if ":" not in line and "：" not in line and "|" not in line:
        return ""
    return next((name for name, pattern in _FIELDS.items() if _compiled(pattern).match(line)), "")


def has_address(line: str) -> bool:
    return _ADDRESS.search(line) is not None


def has_date(line: str) -> bool:
    return _DATED.search(line) is not None


def is_reply_subject(subject: str) -> bool:
    """Whether the subject says that the message is an answer, in any of many languages."""
    return _REPLY_SUBJECT.match(subject) is not None


def is_zoho_attribution(line: str) -> bool:
    """Whether the line is `---- On Mon, 22 Nov 2026 10:00:00 +0000 Ann <ann@example.org> wrote ----`."""
    match = _ZOHO.match(line) if len(line) <= MAX_ATTRIBUTION_CHARS else None
    return match is not None and ends_attribution(f"{match[1]}:") and has_date_or_address(match[1])


def is_quoted(line: str) -> bool:
    return line.startswith((">", " >", "  >", "   >"))


def is_rule(line: str) -> bool:
    """Whether the line is a rule of underscores or dashes."""
    return _RULE.match(line) is not None
