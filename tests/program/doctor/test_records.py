"""What `e2a doctor` makes of the records of a domain: right, missing, wrong, doubled, split, hostile, not answered."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from e2a_core.clock import SystemClock
from e2a_core.contract.domains import DNSRecord
from e2a_core.domains.queries import DkimKeyRow, DomainRow
from e2a_core.domains.records import domain_view
from e2a_core.settings import load_settings
from e2a_core.signing.dkim import DkimKey
from e2a_core.visible import one_line
from e2a_mcp.program.doctor.domains import check_domains
from e2a_mcp.program.doctor.finding import Cause, Finding
from e2a_mcp.program.doctor.records import check_records
from e2a_mcp.program.doctor.report import Report, as_json, as_lines
from e2a_mcp.program.doctor.store import StoredDomain, StoreFacts
from tests.authentication.helpers import resolving
from tests.support.dns import SERVFAIL, TIMEOUT, DnsServer

DOMAIN, HOST, TOKEN = "mail.example.com", "mx.example.com", "e2a-verify=0123456789abcdef"
SELECTOR = f"e2a202611._domainkey.{DOMAIN}"
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe \r\nSubject: x"


@cache
def key_record() -> str:
    return DkimKey.generate().dns_record()


def row(account: str | None = "usr_1") -> DomainRow:
    return DomainRow(DOMAIN, account, TOKEN, 0, 1, 1)


def prescribed() -> list[DNSRecord]:
    settings = load_settings({"E2A_HOME": "/nowhere", "E2A_SMTP_DOMAIN": HOST})
    key = DkimKeyRow(DOMAIN, "e2a202611", "rsa-sha256", b"", key_record(), 0)
    return domain_view(settings, row(), [key]).dns_records


def zones(**changes: Any) -> dict[str, Any]:
    """The records as prescribed, with other TXT or MX records of the domain, or another name whole."""
    record = key_record()
    found: dict[str, Any] = {
        DOMAIN: {"TXT": [TOKEN, f"v=spf1 a:{HOST} ~all"], "MX": [(10, HOST)]},
        SELECTOR: {"TXT": [(record[:200], record[200:])]},
        f"_dmarc.{DOMAIN}": {"TXT": ["v=DMARC1; p=reject"]},
    }
    for kind in ("TXT", "MX"):
        if kind in changes:
            found[DOMAIN] = {**found[DOMAIN], kind: changes.pop(kind)}
    names = {"dkim": SELECTOR, "dmarc": f"_dmarc.{DOMAIN}"}
    return {**found, **{names.get(name, name): value for name, value in changes.items()}}


async def checked(**changes: Any) -> dict[str, Finding]:
    with resolving(zones(**changes), timeout=0.5) as resolver:
        found = await check_records(resolver, DOMAIN, prescribed())
    return {finding.id: finding for finding in found}


@pytest.mark.anyio
async def test_records_as_prescribed_pass_and_a_long_string_may_have_parts() -> None:
    found = await checked()
    assert {id: finding.reason_code for id, finding in found.items()} == {
        "domain.ownership": "ok",
        "domain.mx": "ok",
        "domain.dkim": "ok",
        "domain.mailfrom_mx": "not_prescribed",
        "domain.spf": "ok",
        "domain.dmarc": "ok",
    }


SPF = f"v=spf1 a:{HOST} ~all"
RIGHT = [
    {"TXT": [TOKEN, "v=spf1 mx -all"]},
    {"TXT": [TOKEN, f"V=SPF1 include:_spf.example.net A:{HOST.upper()}. -all"]},
    {"TXT": ["other=1", f"\t{TOKEN} ", SPF, "v=spf10 not spf"]},
    {"TXT": [TOKEN, SPF, SPF]},  # equal records are one (RFC 2181 section 5)
    {"MX": [(10, HOST.upper())]},
    {"MX": [(10, HOST), (20, "backup.example.net")]},
    {"MX": [(10, HOST), (10, HOST)]},
    {"dkim": {"TXT": [lambda: key_record().replace("; p=", ";  p = ") + ";"]}},
    {"dkim": {"CNAME": ["keys.example.net"]}, "keys.example.net": {"TXT": [lambda: key_record()]}},
    {"dmarc": {}, "_dmarc.example.com": {"TXT": ["v=DMARC1; p=none; sp=reject"]}},
    {"dmarc": {"TXT": ["v=DMARC1; p=quarantine; rua=mailto:a@example.com", "unrelated"]}},
]


@pytest.mark.anyio
@pytest.mark.parametrize("changes", RIGHT)
async def test_other_spellings_that_receivers_take_pass(changes: dict[str, Any]) -> None:
    found = await checked(**made(changes))
    assert {finding.reason_code for finding in found.values()} == {"ok", "not_prescribed"}


def made(value: Any) -> Any:
    """A value of the tables, in which what depends on the key is a function."""
    if callable(value):
        return value()
    if isinstance(value, dict):
        return {name: made(part) for name, part in value.items()}
    return [made(part) for part in value] if isinstance(value, list) else value


def halves() -> list[str]:
    return [key_record()[:150], key_record()[150:]]


WRONG: list[tuple[str, dict[str, Any], str, str, str]] = [
    # What is changed, the check, its reason, words of the detail, words of the fix.
    ("domain.ownership", {"TXT": [SPF]}, "record_missing", "not there", TOKEN),
    ("domain.ownership", {"TXT": [SPF, "e2a-verify=other"]}, "record_mismatch", "e2a-verify=other", TOKEN),
    ("domain.ownership", {"TXT": [SPF, TOKEN[:-1]]}, "record_mismatch", TOKEN[:-1], TOKEN),
    ("domain.mx", {"MX": []}, "record_missing", "not there", f"MX 10 {HOST}."),
    ("domain.mx", {"MX": [(10, "mx.google.example")]}, "record_mismatch", "10 mx.google.example", HOST),
    ("domain.mx", {"MX": [(0, ".")]}, "record_mismatch", "0 .", HOST),
    ("domain.mx", {"MX": [(10, f"{HOST}.{DOMAIN}")]}, "record_mismatch", f"{HOST}.{DOMAIN}", HOST),
    ("domain.mx", {"MX": [(5, "old.example.net"), (10, HOST)]}, "record_mismatch", "first", "lowest"),
    ("domain.spf", {"TXT": [TOKEN]}, "record_missing", "not there", SPF),
    ("domain.spf", {"TXT": [TOKEN, "spf1 mx"]}, "record_missing", "not there", SPF),
    ("domain.spf", {"TXT": [TOKEN, "v=spf1 -all"]}, "record_mismatch", HOST, f"add a:{HOST}"),
    ("domain.spf", {"TXT": [TOKEN, "v=spf1 a:other.example -all"]}, "record_mismatch", "other.example", HOST),
    ("domain.spf", {"TXT": [TOKEN, SPF, "v=spf1 mx -all"]}, "record_mismatch", "2 SPF records", "merge"),
    ("domain.spf", {"TXT": [TOKEN, "v=spf1 mx -all"], "MX": []}, "record_mismatch", HOST, "add"),
    ("domain.dkim", {"dkim": {}}, "record_missing", "not there", "v=DKIM1"),
    (
        "domain.dkim",
        {"dkim": {"TXT": ["v=DKIM1; k=rsa; p=AAAA"]}},
        "record_mismatch",
        "another key",
        "v=DKIM1",
    ),
    ("domain.dkim", {"dkim": {"TXT": ["v=DKIM1; p="]}}, "record_mismatch", "revokes", "v=DKIM1"),
    ("domain.dkim", {"dkim": {"TXT": [lambda: key_record()[:255]]}}, "record_mismatch", "cut", "v=DKIM1"),
    ("domain.dkim", {"dkim": {"TXT": halves}}, "record_mismatch", "split into 2", "one TXT record"),
    ("domain.dkim", {"dkim": {"TXT": lambda: halves()[::-1]}}, "record_mismatch", "split into 2", "one TXT"),
    (
        "domain.dkim",
        {"dkim": {"TXT": [lambda: key_record(), "v=DKIM1; p=AAAA"]}},
        "record_mismatch",
        "2 TXT",
        "remove",
    ),
    (
        "domain.dkim",
        {"dkim": {}, f"{SELECTOR}.{DOMAIN}": {"TXT": [lambda: key_record()]}},
        "record_missing",
        f"is at {SELECTOR}.{DOMAIN}",
        "type e2a202611._domainkey",
    ),
    ("domain.dmarc", {"dmarc": {}}, "no_dmarc_record", "none", "v=DMARC1; p=none"),
    (
        "domain.dmarc",
        {"dmarc": {"TXT": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}},
        "no_dmarc_record",
        "2",
        "all but",
    ),
    ("domain.dmarc", {"dmarc": {"TXT": ["v=DMARC1; p=later"]}}, "no_dmarc_record", "p=later", "publish"),
    ("domain.ownership", {DOMAIN: SERVFAIL}, "dns_lookup_failed", "no server", "try again"),
    ("domain.mx", {DOMAIN: SERVFAIL}, "dns_lookup_failed", "no server", "try again"),
    ("domain.spf", {DOMAIN: TIMEOUT}, "dns_lookup_failed", "TXT: not answered", "try again"),
    ("domain.dkim", {"dkim": SERVFAIL}, "dns_lookup_failed", "TXT: no server", "try again"),
    ("domain.dmarc", {"dmarc": SERVFAIL}, "dns_lookup_failed", "_dmarc", "try again"),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("id", "changes", "code", "detail", "fix"), WRONG)
async def test_a_wrong_record_is_named_with_what_to_publish(
    id: str, changes: dict[str, Any], code: str, detail: str, fix: str
) -> None:
    finding = (await checked(**made(changes)))[id]
    assert finding.reason_code == code
    assert detail in finding.detail
    assert fix in finding.fix
    if id == "domain.dmarc" or "first" in detail:
        assert finding.status == "warn"
    else:
        cause = Cause.TRANSIENT if code == "dns_lookup_failed" else Cause.CONFIG
        assert (finding.status, finding.cause) == ("fail", cause)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "changes",
    [
        {"TXT": [TOKEN, f"v=spf1 {HOSTILE} -all"]},
        {"TXT": [f"e2a-verify={HOSTILE}", SPF]},
        {"TXT": [TOKEN, SPF, f"v=spf1 {HOSTILE * 50}"]},
        {"dkim": {"TXT": [f"v=DKIM1; p={HOSTILE}"]}},
        {"dmarc": {"TXT": [f"v=DMARC1; p={HOSTILE}"]}},
        {"dkim": {"TXT": [b"\xff\xfe\x9b31m".decode("latin-1"), "x" * 3000]}},
    ],
    ids=range(6),
)
async def test_what_others_publish_never_reaches_the_terminal_raw(changes: dict[str, Any]) -> None:
    found = list((await checked(**changes)).values())
    report = Report(SystemClock().now(), "1", "", found)
    for line in [*as_lines(report), as_json(report)]:
        assert line.isprintable()
        assert one_line(line) == line
        assert len(line) < 8000
    assert as_json(report).isascii()
    assert {finding.status for finding in found} & {"fail", "warn"}


async def looked_at(
    zones: dict[str, Any], *, only: str = "", count: int = 1, **settings: str
) -> list[Finding]:
    """The domain checks of a home with these domains, the first of them shared."""
    domains = [
        StoredDomain(DomainRow(f"d{number}.example.com", "usr_1" if number else None, TOKEN, 0, 1, 1), [])
        for number in range(count)
    ]
    with DnsServer(zones) as dns:
        environment = {"E2A_HOME": "/nowhere", "E2A_DNS_SERVER": dns.address, "E2A_SMTP_DOMAIN": HOST}
        given = {f"E2A_{name.upper()}": value for name, value in settings.items()}
        return await check_domains(
            load_settings({**environment, **given}), StoreFacts(domains), SystemClock(), only
        )


def codes(found: list[Finding], id: str) -> list[tuple[str, str]]:
    return [(finding.target, finding.reason_code) for finding in found if finding.id == id]


@pytest.mark.anyio
async def test_the_mail_host_has_an_address_with_its_name() -> None:
    named = {HOST: {"A": ["203.0.113.7"], "AAAA": ["2001:db8::7"]}}
    reverse = {"7.113.0.203.in-addr.arpa": {"PTR": [f"{HOST}."]}}
    found = await looked_at({**named, **reverse})
    assert codes(found, "host.address") == [(HOST, "ok")]
    assert codes(found, "host.ptr") == [("203.0.113.7", "ok"), ("2001:db8::7", "record_missing")]
    reverse = {"7.113.0.203.in-addr.arpa": {"PTR": ["static-7.isp.example."]}}
    found = await looked_at({HOST: {"A": ["203.0.113.7"]}, **reverse})
    assert codes(found, "host.ptr") == [("203.0.113.7", "record_mismatch")]
    [finding] = [finding for finding in found if finding.id == "host.ptr"]
    assert finding.status == "warn"
    assert "static-7.isp.example" in finding.detail
    assert HOST in finding.fix
    assert codes(await looked_at({}), "host.address") == [(HOST, "record_missing")]
    assert codes(await looked_at({HOST: {"A": ["192.168.1.2"]}}), "host.address") == [
        (HOST, "record_mismatch")
    ]
    assert codes(await looked_at({HOST: SERVFAIL}), "host.address") == [(HOST, "dns_lookup_failed")]


@pytest.mark.anyio
async def test_one_domain_many_domains_and_none() -> None:
    found = await looked_at({}, count=3, only="d1.example.com")
    assert {finding.target for finding in found if finding.id.startswith("domain.")} == {"d1.example.com"}
    assert codes(found, "domain.sending") == [("d1.example.com", "sending_pending")]
    assert codes(await looked_at({}, only="other.example"), "domain.registered") == [
        ("other.example", "not_registered")
    ]
    assert codes(await looked_at({}, count=0), "domain.registered") == [("", "no_domains")]
    found = await looked_at({}, count=51)
    assert ("", "too_many_domains") in codes(found, "domain.registered")
    assert len(codes(found, "domain.mx")) == 50
    assert codes(await looked_at({}, dns_verify="off"), "domain.registered") == [("", "dns_not_checked")]
