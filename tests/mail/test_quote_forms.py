"""Forms of quotes by many clients in many languages, and texts that look like one and are none."""

from __future__ import annotations

import pytest

from e2a_core.mail.quote_marks import is_reply_subject
from e2a_core.mail.quoting import split_quoted

BLOCKS = {
    "en": ("From", "Sent", "To", "Subject"),
    "de": ("Von", "Gesendet", "An", "Betreff"),
    "fr": ("De", "Envoyé", "À", "Objet"),
    "es": ("De", "Enviado", "Para", "Asunto"),
    "es2": ("De", "Enviado el", "Para", "Asunto"),
    "it": ("Da", "Inviato", "A", "Oggetto"),
    "pt": ("De", "Enviada", "Para", "Assunto"),
    "pt2": ("De", "Enviado em", "Para", "Assunto"),
    "nl": ("Van", "Verzonden", "Aan", "Onderwerp"),
    "da": ("Fra", "Sendt", "Til", "Emne"),
    "sv": ("Från", "Skickat", "Till", "Ämne"),
    "fi": ("Lähettäjä", "Lähetetty", "Vastaanottaja", "Aihe"),
    "pl": ("Od", "Wysłano", "Do", "Temat"),
    "cs": ("Od", "Odesláno", "Komu", "Předmět"),
    "sk": ("Od", "Odoslané", "Komu", "Predmet"),
    "hu": ("Feladó", "Elküldve", "Címzett", "Tárgy"),
    "ro": ("De la", "Trimis", "Către", "Subiect"),
    "bg": ("От", "Изпратено", "До", "Относно"),
    "ru": ("От", "Отправлено", "Кому", "Тема"),
    "uk": ("Від", "Надіслано", "Кому", "Тема"),
    "el": ("Από", "Στάλθηκε", "Προς", "Θέμα"),
    "tr": ("Kimden", "Gönderildi", "Kime", "Konu"),
    "sl": ("Od", "Poslano", "Za", "Zadeva"),
    "hr": ("Šalje", "Poslano", "Prima", "Predmet"),
    "sr": ("Од", "Послато", "За", "Тема"),
    "et": ("Saatja", "Saadetud", "Saaja", "Teema"),
    "lv": ("No", "Nosūtīts", "Kam", "Temats"),
    "lt": ("Nuo", "Išsiųsta", "Kam", "Tema"),
    "ca": ("De", "Enviat el", "Per a", "Assumpte"),
    "eu": ("Nork", "Noiz", "Nori", "Gaia"),
    "id": ("Dari", "Dikirim", "Kepada", "Subjek"),
    "ms": ("Daripada", "Dihantar", "Kepada", "Subjek"),
    "vi": ("Từ", "Đã gửi", "Đến", "Chủ đề"),
    "th": ("จาก", "ส่ง", "ถึง", "เรื่อง"),
    "hi": ("द्वारा", "भेजा गया", "प्रति", "विषय"),
    "ar": ("من", "تم الإرسال", "إلى", "الموضوع"),
    "he": ("מאת", "נשלח", "אל", "נושא"),
    "fa": ("از", "ارسال شده", "به", "موضوع"),
    "zh": ("发件人", "发送时间", "收件人", "主题"),
    "tw": ("寄件者", "寄件日期", "收件者", "主旨"),
    "ja": ("差出人", "送信日時", "宛先", "件名"),
    "ko": ("보낸 사람", "보낸 날짜", "받는 사람", "제목"),
}
"""From, Sent, To and Subject as Outlook names them."""

ATTRIBUTIONS = [
    "---- On Mon, 22 Nov 2026 10:00:00 +0000 Bot <b@x.example> wrote ---",
    "---- Le lun., 22 nov. 2026 10:00:00 +0100 Bot <b@x.example> a écrit ----",
    (
        "-------- Original message --------\nFrom: Bot <b@x.example>\nDate: 22/11/2026 10:00 "
        "(GMT+01:00)\nTo: Ann\nSubject: x"
    ),
    "‐‐‐‐‐‐‐ Original Message ‐‐‐‐‐‐‐\nOn Sunday, November 22nd, 2026 at 10:00, Bot <b@x.example> wrote:",
    'At 2026-11-22 10:00:00, "Bot" <b@x.example> wrote:',
    (
        '------------------ 原始邮件 ------------------\n发件人: "Bot" <b@x.example>;\n'
        '发送时间: 2026年11月22日(星期日) 10:00\n收件人: "Ann"<a@y.example>;\n主题: x'
    ),
    '------------------ Original ------------------\nFrom: "Bot" <b@x.example>;',
    (
        "---- Replied Message ----\n| From | Bot<b@x.example> |\n| Date | 11/22/2026 10:00 |\n| To | "
        "Ann |\n| Subject | x |"
    ),
    "| From | Bot<b@x.example> |\n| Date | 11/22/2026 10:00 |\n| To | Ann |\n| Subject | x |",
    (
        "---- 回复的原邮件 ----\n| 发件人 | Bot<b@x.example> |\n| 日期 | 2026年11月22日 10:00 |\n| "
        "收件人 | a@y.example |\n| 主题 | x |"
    ),
    'Gesendet: Sonntag, 22. November 2026 um 10:00 Uhr\nVon: "Bot" <b@x.example>\nAn: a@y.example\nBetreff: x',
    "Am Sonntag, 22. November 2026 um 10:00:00 MEZ hat Bot <b@x.example> Folgendes geschrieben:",
    "Bot <b@x.example> schrieb am So., 22. Nov. 2026, 10:00:",
    "Воскресенье, 22 ноября 2026, 10:00 +03:00 от Bot <b@x.example>:",
    '22.11.2026, 10:00, "Bot" <b@x.example>:',
    "Em domingo, 22 de novembro de 2026 10:00:00 BRT, Bot <b@x.example> escreveu:",
    "Dne ne 22. 11. 2026 10:00 uživatel Bot <b@x.example> napsal:",
    "Den sön 22 nov. 2026 kl 10:00 skrev Bot <b@x.example>:",
    "ons. 22. nov. 2026 kl. 10:00 skrev Bot <b@x.example>:",
    "Il giorno dom 22 nov 2026 alle ore 10:00 Bot <\nb@x.example> ha scritto:",
    "2026. nov. 22., V 10:00 dátummal Bot <b@x.example> ezt írta:",
    "Bot <b@x.example> ezt írta (időpont: 2026. nov. 22., V, 10:00):",
    "Pe dum., 22 nov. 2026 la 10:00, Bot <b@x.example> a scris:",
    "На нд, 22.11.2026 г. в 10:00 Bot <b@x.example> написа:",
    "нд, 22 лист. 2026 р. о 10:00 Bot <b@x.example> пише:",
    "Στις Κυρ 22 Νοε 2026 στις 10:00 π.μ., ο/η Bot <b@x.example> έγραψε:",
    "22 Kas 2026 Paz 10:00 tarihinde Bot <b@x.example> şunu yazdı:",
    "Vào CN, 22 thg 11, 2026 vào lúc 10:00 Bot <b@x.example> đã viết:",
    "Pada tanggal Min, 22 Nov 2026 pukul 10.00 Bot <b@x.example> menulis:",
    "ในวันที่ อา. 22 พ.ย. 2026 เวลา 10:00 Bot <b@x.example> เขียนว่า:",
    "בתאריך יום א׳, 22 בנוב׳ 2026 ב-10:00 מאת Bot <‪b@x.example‬‏>:",
    "في الأحد، 22 نوفمبر 2026 في 10:00 ص تمت كتابة ما يلي بواسطة Bot <b@x.example>:",
    "su 22. marrask. 2026 klo 10.00 Bot <b@x.example> kirjoitti:",
    "sv 22 nov. 2026 10:00 Bot <b@x.example> rašė:",
    "V V ned., 22. nov. 2026 ob 10:00 je oseba Bot <b@x.example> napisala:",
    "ned, 22. stu 2026. u 10:00 Bot <b@x.example> napisao je:",
    "Kuupäev P, 22. november 2026 kell 10:00 kirjutas Bot <b@x.example>:",
    "svētd., 2026. g. 22. nov., plkst. 10:00 — lietotājs Bot (<b@x.example>) rakstīja:",
    "El dg., 22 de nov. 2026, 10:00, Bot <b@x.example> va escriure:",
    "रवि, 22 नव॰ 2026 को 10:00 पर Bot <b@x.example> ने लिखा:",
    "2026年11月22日(日) 10:00 Bot <b@x.example>:",
    "> On Nov 22, 2026, at 10:00, Bot <b@x.example> wrote:\n>\n> old",
    "Le 22/11/2026 à 10:00, Bot a écrit :",
    "On 22/11/26 10:00, Bot wrote:",
    "Bot wrote on 22.11.2026 10:00:",
]

NO_QUOTES = [
    (
        "Booking request\n\nFrom: Monday 2 March\nTo: Friday 6 March\nDate: as soon as possible\n"
        "Subject: two rooms\n\nPlease confirm."
    ),
    "Your trip\n\n-----------\nFrom: Berlin Hbf\nTo: Paris Est\nDate: 22 Nov 2026 10:04\nSeat: 48\n\nBon voyage",
    "Ticket:\n\nVon: Berlin\nNach: Paris\nDatum: 22.11.2026\nAn: 14:05\n\nGute Reise",
    "The build prints:\n\n> npm run build\n> error: missing file",
    "Transfer\n\nFrom: ACC 1234\nTo: ACC 9999\nDate: 2026-11-22\nAmount: 5",
    "Change log:\n\nDate: 2026-11-22\nSubject: fix\n\nDone",
    "As the poet wrote in 1820:\n\nRoses are red",
    "Shift swap\n\nDe: lunes 2\nA: viernes 6\nFecha: marzo 2026\n\nGracias",
    "Vol\n\nDe : Paris\nÀ : Rome\nDate : 22/11/2026 10:00\nObjet : mission\n\nMerci",
]

MARKED_BY = ("Le 22/11", "On 22/11", "Bot wrote on")
"""Without an address these need `>` lines below, unless the message is an answer."""


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 0, 2, 3), (0, 3, 1, 2), (3, 0, 1, 2)])
@pytest.mark.parametrize("names", BLOCKS.values(), ids=BLOCKS)
def test_a_header_block_in_any_language_and_order_begins_the_quote(
    names: tuple[str, ...], order: tuple[int, ...]
) -> None:
    values = ("Bot <bot@a.example>", "22. november 2026 10:00", "Ann <ann@b.example>", "The order")
    block = "\n".join(f"{names[at]}: {values[at]}" for at in order)
    for reply in (True, False):
        assert split_quoted(f"Understood.\n\n{block}\n\nold", reply=reply)[0] == "Understood."


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
def test_an_attribution_of_any_client_begins_the_quote(attribution: str) -> None:
    below = "" if attribution.startswith(">") else "\n\n> old"
    for reply in (True, False):
        assert split_quoted(f"Yes.\n\n{attribution}{below}", reply=reply)[0] == "Yes."
    if not attribution.startswith((">", *MARKED_BY)):
        assert split_quoted(f"Yes.\n\n{attribution}\n\nold", reply=False)[0] == "Yes."


@pytest.mark.parametrize(
    "attribution",
    [
        "On Sun, 22 Nov 2026 at 10:00, Bot of the Northern Branch <bot@a.example\n>\nwrote:",
        "On Sun, Nov 22, 2026 at 10:00 AM Bot North <bot@a.example\n> wrote:",
        "Am So., 22. Nov. 2026 um 10:00 Uhr schrieb Bot Nord <bot@a.example\n>:",
        "søn. 22. nov. 2026 kl. 10:00 skrev Bot Nord <bot@a.example\n>:",
        "dom 22 nov 2026 alle ore 10:00 Bot Nord <bot@a.example\n> ha scritto:",
        "niedz., 22 lis 2026 o 10:00 Bot Nord <bot@a.example\n> napisał(a):",
        "El dom, 22 nov 2026 a las 10:00, Bot Nord (<bot@a.example\n>) escribió:",
        "su 22. marrask. 2026 klo 10.00 Bot Nord <bot@a.example\n> kirjoitti:",
        "Am 22.11.2026\num 10:00 schrieb\nBot Nord <bot@a.example\n>:",
        "вс, 22 нояб. 2026 г. в 10:00, Bot Nord <bot@a.example\n>:",
    ],
)
def test_an_attribution_wrapped_within_its_address_goes_with_the_quote(attribution: str) -> None:
    for below in ("> Which day?\n> Bye", "Which day?"):
        assert split_quoted(f"Tuesday.\n\n{attribution}\n\n{below}")[0] == "Tuesday."


@pytest.mark.parametrize("text", NO_QUOTES)
def test_a_form_a_ticket_and_a_sample_are_no_quotes_in_a_first_mail(text: str) -> None:
    assert split_quoted(text, reply=False) == (text, "")


@pytest.mark.parametrize("text", NO_QUOTES[1:3] + NO_QUOTES[4:6])
def test_nor_is_an_itinerary_in_an_answer(text: str) -> None:
    assert split_quoted(text, reply=True) == (text, "")


@pytest.mark.parametrize(
    "subject", ["Re: x", "AW: x", "SV: x", "[ext] RE: x", "Odp: x", "回复：x", "RE[2]: x", "Ответ: x"]
)
def test_the_subject_says_that_a_message_is_an_answer(subject: str) -> None:
    assert is_reply_subject(subject)
    assert not is_reply_subject("Report: x")
