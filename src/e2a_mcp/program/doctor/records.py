"""The records of one domain in the live DNS, against those that its deployment prescribes.

Ownership is matched by substring, MX by host, DKIM by the `p` tag, and SPF by the hosts it names, as the deployment
itself does. What receivers make nothing of, such as two SPF records, is a mismatch too.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from e2a_core.authentication.canonical import TagListError, parse_tags
from e2a_core.authentication.dmarc import walk_names
from e2a_core.authentication.dmarc_record import is_dmarc_record, parse_record
from e2a_core.authentication.resolver import Resolver
from e2a_core.contract.domains import DNSRecord
from e2a_mcp.program.doctor.finding import Finding, fail, passed, quoted, skip, warn
from e2a_mcp.program.doctor.lookups import Looked, look, unanswered, unanswered_advice

__all__ = ["check_records"]

SHOWN_RECORDS = 4
LISTED_RECORDS = 16
"""A name can have hundreds, and a few show what is wrong."""
_VERIFY_PREFIX = "e2a-verify="


async def check_records(resolver: Resolver, domain: str, records: Sequence[DNSRecord]) -> list[Finding]:
    """All record checks of a domain, in a fixed order; `records` are those its deployment prescribes."""
    prescribed = {record.purpose: record for record in records if record.purpose != "dkim"}
    keys = [record for record in records if record.purpose == "dkim"]
    texts, exchanges = await asyncio.gather(look(resolver, domain, "TXT"), look(resolver, domain, "MX"))
    spf = prescribed.get("spf") or prescribed.get("mail_from_spf")
    checks = await asyncio.gather(
        _mailfrom(resolver, domain, prescribed.get("mail_from_mx")),
        _spf(resolver, domain, spf, texts, exchanges),
        _dmarc(resolver, domain),
        *(_dkim(resolver, domain, key) for key in keys),
    )
    mailfrom, sender_policy, dmarc, *dkim = checks
    return [
        _ownership(domain, prescribed.get("ownership"), texts),
        _mx("domain.mx", domain, prescribed.get("inbound_mx"), exchanges),
        *(
            dkim
            or [
                _not_prescribed(
                    "domain.dkim",
                    domain,
                    "it has no key yet: e2a domains records makes one, as the first message does",
                )
            ]
        ),
        mailfrom,
        sender_policy,
        dmarc,
    ]


def _ownership(domain: str, record: DNSRecord | None, found: Looked) -> Finding:
    id = "domain.ownership"
    if record is None:
        return _not_prescribed(id, domain, "the domain of the deployment needs no proof")
    if found.trouble:
        return unanswered(id, found, domain)
    if any(record.value in text for text in found.texts):
        return passed(id, "the token is there", target=domain)
    others = [text for text in found.texts if text.startswith(_VERIFY_PREFIX)]
    if others:
        return _mismatch(
            id, domain, record, others, f"has the token of another registration: {_shown(others)}"
        )
    return _missing(id, domain, record)


def _mx(id: str, domain: str, record: DNSRecord | None, found: Looked) -> Finding:
    if record is None:
        return _not_prescribed(id, domain, "no record is prescribed")
    if found.trouble:
        return unanswered(id, found, domain)
    wanted = record.value.lower().removesuffix(".")
    exchanges = sorted((preference, host.lower()) for preference, host in found.answer.exchanges)
    if not exchanges:
        return _missing(id, domain, record)
    shown = [f"{preference} {host or '.'}" for preference, host in exchanges]
    if wanted not in {host for _, host in exchanges}:
        return _mismatch(id, domain, record, shown, f"mail goes to {_shown(shown)}")
    if exchanges[0][1] != wanted:
        return warn(
            id,
            "record_mismatch",
            f"mail goes to {quoted(exchanges[0][1])} first",
            f"give {wanted} the lowest preference, or remove the other MX records of {domain}",
            target=domain,
            found=_evidence(shown),
        )
    return passed(id, f"leads to {wanted}", target=domain, found=_evidence(shown))


async def _mailfrom(resolver: Resolver, domain: str, record: DNSRecord | None) -> Finding:
    id = "domain.mailfrom_mx"
    if record is None:
        return _not_prescribed(id, domain, "bounces come to the domain itself")
    return _mx(id, domain, record, await look(resolver, record.name, "MX"))


async def _spf(
    resolver: Resolver, domain: str, record: DNSRecord | None, texts: Looked, exchanges: Looked
) -> Finding:
    id = "domain.spf"
    if record is None:
        return _not_prescribed(id, domain, "no record is prescribed")
    if record.name != domain:
        texts = await look(resolver, record.name, "TXT")
        exchanges = await look(resolver, record.name, "MX")
    if texts.trouble:
        return unanswered(id, texts, domain)
    policies = [text for text in texts.texts if text.lower().split(" ")[0] == "v=spf1"]
    if not policies:
        return _missing(id, domain, record)
    if len(policies) > 1:
        # RFC 7208 section 4.5: more than one record is a permanent error.
        detail = f"has {len(policies)} SPF records, so receivers use none of them: {_shown(policies)}"
        return _mismatch(
            id, domain, record, policies, detail, f"merge them into one TXT record of {record.name}"
        )
    named = _hosts_of(policies[0])
    if "mx" in policies[0].lower().split(" "):
        named |= {host.lower() for _, host in exchanges.answer.exchanges}
    wanted = _hosts_of(record.value)
    if not wanted <= named:
        terms = " ".join(record.value.split(" ")[1:-1])
        return _mismatch(
            id,
            domain,
            record,
            policies,
            f"does not name {', '.join(sorted(wanted - named))}: {_shown(policies)}",
            f"add {terms} to the SPF record of {record.name}, in front of its all",
        )
    return passed(id, f"names {', '.join(sorted(wanted))}", target=domain, found=_evidence(policies))


def _hosts_of(policy: str) -> set[str]:
    """The hosts and domains that an SPF record names (RFC 7208 section 4.6.1)."""
    terms = policy.lower().split(" ")[1:]
    targets = (term.replace("=", ":", 1).partition(":")[2].partition("/")[0] for term in terms)
    return {target.removesuffix(".") for target in targets if target}


async def _dkim(resolver: Resolver, domain: str, record: DNSRecord) -> Finding:
    id, name = "domain.dkim", record.name
    found = await look(resolver, name, "TXT")
    if found.trouble:
        return unanswered(id, found, name)
    texts = found.texts
    if not texts:
        return await _dkim_elsewhere(resolver, domain, record)
    wanted = _key_of(record.value)
    matching = [text for text in texts if _key_of(text) == wanted]
    if matching and len(texts) == 1:
        return passed(id, "is the key that signs", target=name)
    if matching:
        # RFC 6376 section 3.6.2.2: with several records the result is undefined.
        detail = f"has {len(texts)} TXT records, and receivers may take the wrong one: {_shown(texts)}"
        return _mismatch(
            id, name, record, texts, detail, f"remove all TXT records of {name} but the prescribed one"
        )
    if len(texts) > 1 and all(_squeezed(text) in _squeezed(record.value) for text in texts):
        detail = f"is split into {len(texts)} TXT records"
        fix = f"publish it as one TXT record of {name}; one record may have several strings of up to 255 characters"
        return _mismatch(id, name, record, texts, detail, fix)
    return _mismatch(id, name, record, texts, _other_key(texts))


def _other_key(texts: Sequence[str]) -> str:
    if any(re.search(r"(^|;)\s*p\s*=\s*(;|$)", text) for text in texts):
        return "has an empty p tag, which revokes the key"
    return f"has another key, or one that was cut: {_shown(texts)}"


async def _dkim_elsewhere(resolver: Resolver, domain: str, record: DNSRecord) -> Finding:
    """Many forms append the domain to what is typed as the name."""
    id, name = "domain.dkim", record.name
    doubled = f"{name}.{domain}"
    if (await look(resolver, doubled, "TXT")).texts:
        fix = f"rename {doubled} to {name}; in a form that appends the domain, type {name.removesuffix('.' + domain)}"
        return fail(id, "record_missing", f"is at {doubled} instead", fix, target=name)
    return _missing(id, name, record)


def _key_of(text: str) -> str:
    try:
        return "".join(parse_tags(text.encode()).get("p", "").split())
    except TagListError:
        return ""


def _squeezed(text: str) -> str:
    return "".join(text.replace('"', "").split())


async def _dmarc(resolver: Resolver, domain: str) -> Finding:
    """Advice only: mail arrives without DMARC, but a policy is what keeps others from using the name."""
    id = "domain.dmarc"
    publish = (
        f'publish _dmarc.{domain}. TXT "v=DMARC1; p=none"; ask for a stricter policy once your mail passes'
    )
    for name in walk_names(domain):
        found = await look(resolver, f"_dmarc.{name}", "TXT")
        if found.trouble:
            return unanswered_advice(id, found, domain)
        policies = [text for text in found.answer.texts if is_dmarc_record(text)]
        if len(policies) > 1:
            # RFC 9989 section 4.7: with several records none counts.
            detail = f"_dmarc.{name} has {len(policies)} DMARC records, so receivers use none of them"
            return warn(id, "no_dmarc_record", detail, "remove all but one", target=domain)
        if not policies:
            continue
        record = parse_record(policies[0])
        if record is None:
            detail = f"_dmarc.{name} has no valid policy: {quoted(policies[0])}"
            return warn(id, "no_dmarc_record", detail, publish, target=domain)
        policy = record.policy_for(subdomain=name != domain, exists=True)
        return passed(id, f"asks for {policy}", target=domain, found=[quoted(policies[0])])
    return warn(id, "no_dmarc_record", "there is none here or above", publish, target=domain)


def _not_prescribed(id: str, domain: str, why: str) -> Finding:
    return skip(id, "not_prescribed", why, target=domain)


def _missing(id: str, target: str, record: DNSRecord) -> Finding:
    return fail(id, "record_missing", "is not there", f"publish {_zone_line(record)}", target=target)


def _mismatch(
    id: str, target: str, record: DNSRecord, found: Sequence[str], detail: str, fix: str = ""
) -> Finding:
    fix = fix or f"replace it by {_zone_line(record)}"
    return fail(id, "record_mismatch", detail, fix, target=target, found=_evidence(found))


def _zone_line(record: DNSRecord) -> str:
    """The record as it stands in a zone file, apart from the limit of 255 octets of a string."""
    if record.type == "TXT":
        return f'{record.name}. TXT "{record.value}"'
    return f"{record.name}. {record.type} {record.priority or 10} {record.value}."


def _evidence(texts: Sequence[str]) -> list[str]:
    return [quoted(text) for text in texts[:LISTED_RECORDS]]


def _shown(texts: Sequence[str]) -> str:
    shown = ", ".join(quoted(text) for text in texts[:SHOWN_RECORDS])
    return shown + (f" and {len(texts) - SHOWN_RECORDS} more" if len(texts) > SHOWN_RECORDS else "")
