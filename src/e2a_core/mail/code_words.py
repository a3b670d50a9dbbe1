"""The words by which mail in many languages announces one-time codes, and those that announce something else.

Tables of regular expressions, one alternative a word; `any_of` joins them. Order has no meaning.
"""

from __future__ import annotations

import re

__all__ = [
    "BOOKING",
    "CODE_PHRASES",
    "ENTER",
    "LINKING",
    "OTHER_NUMBERS",
    "PLAIN_CODE",
    "POSSESSIVES",
    "any_of",
]

_CONTINUED = re.compile(r"\n\s*(?=[|\[])")

CODE_PHRASES = r"""
    (?:verification|security|log[- ]?in|sign[- ]?(?:in|up)|access|auth(?:entication|enticator|ori[sz]ation)?
      |confirmation)[- ]code
    (?:one|single)[- ](?:time|use)[- ](?:code|password|passcode|pass[- ]?code|pin)|activation code
    validation code
    (?:two|2)[- ](?:step|factor)(?: (?:verification|authentication|login))? code|recovery code|registration code
    device code|reset code|passcode|otp(?: code)?|2fa(?: code)?|mfa code|tan
    (?:verifizierungs|verifikations|bestätigungs|sicherheits|einmal|zugangs|anmelde|login|aktivierungs)-?(?:code|pin)
    einmal-?(?:passwort|kennwort|pin)|prüfcode|zugriffscode|authentifizierungscode|freischaltcode
    code (?:de|d['’]) ?(?:vérification|confirmation|sécurité|validation|connexion|activation|authentification|accès)
    code (?:à usage unique|unique|temporaire)|mot de passe à usage unique
    c[óo]digo de (?:verificaci[óo]n|verificação|confirmaci[óo]n|confirmação|seguridad|segurança|acceso|acesso
      |autenticaci[óo]n|autenticação|activaci[óo]n|ativação|inicio de sesión|login|un solo uso|uso único)
    código (?:único|temporal|de uso único)|contraseña de un solo uso|clave (?:dinámica|de un solo uso)
    senha (?:de uso único|temporária)
    codice (?:di (?:verifica|conferma|sicurezza|accesso|autenticazione|attivazione)|monouso|otp|temporaneo)
    (?:verificatie|bevestigings|beveiligings|toegangs|inlog|activerings)code|eenmalige (?:code|wachtwoord)
    kod (?:weryfikacyjny|potwierdzający|bezpieczeństwa|logowania|dostępu|jednorazowy|aktywacyjny|uwierzytelniający)
    jednorazow(?:y kod|e hasło)|hasło jednorazowe
    (?:verifierings|säkerhets|engångs|inloggnings|bekräftelse|aktiverings)kod
    (?:bekræftelses|verifikations|sikkerheds|engangs|adgangs|login|aktiverings)kode
    (?:bekreftelses|verifiserings|sikkerhets|engangs|påloggings|innloggings|tilgangs)kode
    (?:vahvistus|varmennus|turva|todennus|kertakäyttö|kirjautumis|aktivointi)(?:koodi|koodisi)
    (?:doğrulama|onay|güvenlik|giriş|aktivasyon|tek kullanımlık) (?:kodu(?:nuz)?|şifre(?:niz)?)
    ověřovací kód|(?:bezpečnostní|potvrzovací|jednorázový|přihlašovací|aktivační) kód|overovací kód
    (?:bezpečnostný|potvrdzovací|jednorazový|prihlasovací) kód
    (?:ellenőrző|hitelesítő|megerősítő|biztonsági|egyszer használatos|bejelentkezési|aktiváló) ?kód(?:ja|od)?
    cod(?:ul)?(?: tău| dvs\.?)? de (?:verificare|confirmare|securitate|autentificare|acces|activare)
    (?:verifikacijski|potvrditveni|varnostni|enkratni|potvrdni|sigurnosni|jednokratni|verifikacioni) k[oô]d
    kontroll?kood|kinnituskood|ühekordne kood|turvakood|patvirtinimo kodas|saugos kodas|vienkartinis kodas
    apstiprinājuma kods|verifikācijas kods|drošības kods|vienreizējais kods|staðfestingarkóði|öryggiskóði
    κωδικ[όo]ς? (?:επαλήθευσης|επιβεβαίωσης|ασφαλείας|μίας χρήσης|πρόσβασης)
    код(?:а)? (?:подтверждения|проверки|безопасности|доступа|авторизации|активации|для входа|входа)
    (?:проверочный|одноразовый|защитный|секретный) (?:код|пароль)
    код (?:підтвердження|перевірки|безпеки|доступу|для входу)|одноразовий (?:код|пароль)
    код за (?:потвърждение|сигурност|достъп|вход)|потвърдителен код|верификациони код|код за верификацију
    mã (?:xác (?:minh|nhận|thực)|bảo mật|otp|đăng nhập|kích hoạt)
    kode (?:verifikasi|konfirmasi|keamanan|otp|akses|masuk)|kod (?:pengesahan|verifikasi|keselamatan)
    verification code|codi de (?:verificació|confirmació|seguretat)|egiaztapen kodea|código de verificación
    រหัសផ្ទៀងផ្ទាត់|รหัส(?:ยืนยัน|ความปลอดภัย|ผ่านครั้งเดียว|\s?otp)|सत्यापन कोड|ওটিপি|ओटीपी|যাচাইকরণ কোড
    验证码|驗證碼|校验码|校驗碼|动态码|動態碼|动态密码|確認碼|确认码|安全码|安全碼|登录码|登入碼
    一次性密[码碼]|一次性代[码碼]
    (?:認証|確認|検証|セキュリティ|ログイン|ワンタイム)(?:用)?(?:コード|番号|キー)
    ワンタイム(?:パスワード|コード)|認証用?番号
    인증\s?(?:코드|번호)|확인\s?(?:코드|번호)|보안\s?코드|일회용\s?(?:비밀번호|코드|암호)|로그인\s?코드
    رمز (?:التحقق|التأكيد|الأمان|الدخول|التفعيل)|كود (?:التحقق|التفعيل)|کد (?:تأیید|تایید|امنیتی|ورود)
    رمز یکبار مصرف
    קוד (?:ה)?(?:אימות|אבטחה|כניסה|הפעלה|אישור)|קוד חד[- ]פעמי
"""

PLAIN_CODE = r"""
    code|pin(?:[- ]?code)?|kod|kode|koodi(?:si)?|kood|kods|kodas|código|codigo|codice|cod|codul|kód|kóði
    kodu(?:nuz)?|kódja|codi
    код|пароль|κωδικός|mã|رمز|كود|קוד|รหัส|कोड|コード|코드|번호
"""
"""They announce a code only directly beside it and after a possessive, or where the mail is about signing in."""

POSSESSIVES = r"""
    your|ihr|dein|euer|votre|ton|tu|su|vuestro|o seu|seu|teu|sua|il tuo|il suo|uw|je|jouw|twój|pana|państwa
    din|ditt|deres
    sinun|váš|tvoj|tvůj|váš|az ön|tu|vaš|tvoj|teie|jūsų|tavs|jūsu|ο|ваш|твой|твій|вашият|của bạn|anda|kamu
    sizin|el teu
    this|the|following|dieser|der|ce|le|este|el|questo|il|deze|de|ten|этот
"""

LINKING = r"""
    is|are|below|here|now|ist|lautet|est|es|será|é|è|ed è|jest|to|är|er|on|je|este|yra|ir|είναι|это|є|là
    adalah|ialah|om|for
    für|pour|para|per|voor|dla|för|til|till|olan|numer|number|no|aquí|ici|follows|as follows|you|requested
    wie folgt
    is below|is here|の|は|です|为|為|是|입니다|은|는|هو|هي|הוא|คือ|है|e-posta|otp|code|kod|kode
"""
"""Words that may stand between the announcement and the code."""

ENTER = r"""
    enter|use|type|submit|input|paste|provide|eingeben|geben sie|gib|verwenden sie|saisissez|utilisez|entrez
    introduce
    ingresa|ingrese|usa|use|utiliza|digite|insira|inserisci|utilizza|voer|gebruik|wpisz|użyj|ange|använd
    indtast|brug|skriv
    zadejte|zadajte|introduceți|girin|введите|используйте|введіть|请输入|輸入|输入|入力|입력
"""

OTHER_NUMBERS = r"""
    order|invoice|receipt|ref(?:erence)?|booking|reservation|ticket|case|tracking|shipment|parcel|customer
    client|account
    member|contract|policy|phone|tel|telephone|call|mobile|fax|version|room|flight|seat|gate|line|error|ext
    vat|tax|iban|item
    article|sku|po|p\.o|box|zip|postcode|postal|section|article|page|build|issue|bug|commit|meeting|webinar
    id|no|nr|№|num|numéro
    número|numero|numer|nummer|nº|n°|bestellung|bestell|bestellnummer|rechnung|rechnungsnr|kunden
    kundennummer|auftrag|vorgang
    telefon|sendung|commande|facture|pedido|factura|fatura|ordine|fattura|spedizione|bestelling|factuur
    zamówienie|faktura|ordre
    tilaus|objednávka|заказ|счет|счёт|телефон|замовлення|订单号?|訂單|单号|电话|電話|注文番号|伝票|주문
    주문번호|전화
    copyright|©|suite|floor|level|step|chapter|chapitre|kapitel|since|save
"""
"""A number right after one of these is none: a reference, a telephone number, a year."""

BOOKING = r"""
    booking|reservation|check-?in|check-?out|flight|itinerary|boarding|hotel|passenger|ticket|appointment
    your order|shipped|parcel
    meeting id|dial[- ]in|dial by|join (?:zoom|the meeting|microsoft teams)|zoom\.us|teams\.microsoft
    meet\.google|webex|conference
    webinar|buchung|reservierung|flug|fahrkarte|bestellung|sendung|paket|réservation|vol |billet|commande
    colis|reserva|vuelo|voo
    pedido|alojamiento|estancia|prenotazione|volo|biglietto|ordine|boeking|vlucht|bestelling|rezerwacj
    zamówieni|bokning|bestilling
    varaus|rezervace|foglalás|rezervare|бронирован|рейс|заказ|билет|预订|航班|订单|ご予約|予約|ご注文|예약
    항공편|rezervasyon|door|key ?box
    lockbox|referral|invite|gift|voucher|coupon|discount|promo
"""
"""In such mail a confirmation or access code is a reference or opens a door, and does not prove who signs in."""


def any_of(words: str) -> str:
    """The alternatives of a table as one expression; a line that begins with `|` or `[` continues the one above."""
    return "|".join(line.strip() for line in _CONTINUED.sub("", words.strip()).split("\n"))
