"""Domains through the service a session uses: registered, verified against a real DNS server, rotated, deleted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from anyio import create_task_group

from e2a_core.authentication.resolver import Resolver
from e2a_core.clock import SystemClock
from e2a_core.contract.agents import CreateAgentRequest
from e2a_core.contract.domains import DNSRecord, DomainView, RegisterDomainRequest, VerifyDomainView
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.domains.dkim import SigningKeys
from e2a_core.errors import (
    DomainHasAgents,
    DomainTaken,
    E2AError,
    Forbidden,
    InboundMxCheckFailed,
    InboundMxMissing,
    InvalidDomain,
    LimitExceeded,
    NotFound,
    ReservedDomain,
)
from e2a_core.local.agents import Agents
from e2a_core.local.domains import Domains
from e2a_core.store.statement import sql
from tests.support.clock import ManualClock
from tests.support.deployment import SHARED, account, agent_credential, make_agent
from tests.support.dns import SERVFAIL, TIMEOUT, DnsServer

pytestmark = pytest.mark.anyio

DOMAIN = "example.com"
RELAY = SHARED  # the relay's host name where none is set


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer({}) as server:
        yield server


@pytest.fixture
def core(core: Core, dns: DnsServer) -> Core:
    """A deployment that asks `dns`, and soon gives up."""
    resolver = Resolver(dns.address, SystemClock(), timeout=1.0)
    return replace(core, resolver=lambda: resolver)


async def register(core: Core, principal: Principal, domain: str = DOMAIN) -> DomainView:
    return await Domains(core, principal).register(RegisterDomainRequest(domain=domain))


async def verify(core: Core, principal: Principal, domain: str = DOMAIN) -> VerifyDomainView:
    return await Domains(core, principal).verify(domain)


def record(view: DomainView, purpose: str) -> DNSRecord:
    return next(item for item in view.dns_records if item.purpose == purpose)


def publish(dns: DnsServer, *views: DomainView, leave_out: tuple[str, ...] = ()) -> None:
    """What the owner of the domains does with the records they are shown."""
    zones: dict[str, dict[str, list[object]]] = {}
    for item in (item for view in views for item in view.dns_records if item.purpose not in leave_out):
        value = (item.priority, item.value) if item.type == "MX" else item.value
        zones.setdefault(item.name, {}).setdefault(item.type, []).append(value)
    dns.zones = zones


async def test_a_new_domain_says_what_to_publish(core: Core, owner: Principal) -> None:
    view = await register(core, owner, " Example.COM ")
    token = view.verification_token
    assert token.startswith("e2a-verify=")
    assert len(bytes.fromhex(token.removeprefix("e2a-verify="))) == 16
    rows = [(r.purpose, r.type, r.name, r.value, r.priority, r.status) for r in view.dns_records]
    key = record(view, "dkim")
    assert key.value.startswith("v=DKIM1; k=rsa; p=")
    assert rows == [
        ("ownership", "TXT", DOMAIN, token, None, "pending"),
        ("inbound_mx", "MX", DOMAIN, RELAY, 10, "pending"),
        ("inbound_mx_wildcard", "MX", f"*.{DOMAIN}", RELAY, 10, "pending"),
        ("dkim", "TXT", f"e2a202603._domainkey.{DOMAIN}", key.value, None, "pending"),
        ("spf", "TXT", DOMAIN, f"v=spf1 a:{RELAY} ~all", None, "pending"),
        ("dmarc", "TXT", f"_dmarc.{DOMAIN}", "v=DMARC1; p=none", None, "pending"),
    ]
    wire = view.to_wire()
    assert wire["dns_records"][0]["priority"] is None
    assert (wire["verified"], wire["sending_status"], wire["agent_count"]) == (False, "none", 0)
    assert wire["capabilities"] == {"inbound": "pending", "outbound": "none"}
    assert wire["sending_ramp"] == {
        "status": "inactive",
        "daily_recipient_limit": 0,
        "recipients_used_today": 0,
        "active_days": 0,
        "ramp_days": 0,
    }
    assert await register(core, owner) == view
    assert await Domains(core, owner).get("EXAMPLE.com") == view


@pytest.mark.parametrize(
    ("domain", "error"),
    [
        ("localhost", InvalidDomain),
        ("example.com.", InvalidDomain),
        (SHARED, ReservedDomain),
        (f"a.{SHARED}", ReservedDomain),
        ("bounce.mine.example", ReservedDomain),
        ("x.bounce.mine.example", ReservedDomain),
        ("foreign.example", DomainTaken),
        ("below.foreign.example", DomainTaken),
        ("above.example", DomainTaken),
        ("bounce.foreign.example", DomainTaken),
    ],
)
async def test_domains_nobody_gets(core: Core, owner: Principal, domain: str, error: type[E2AError]) -> None:
    other = await account(core, "b@example.org")
    await register(core, other, "foreign.example")
    await register(core, other, "is.far.above.example")
    await register(core, owner, "mine.example")
    with pytest.raises(error):
        await register(core, owner, domain)
    await register(core, owner, "isfar.example")
    await register(core, owner, "sub.mine.example")


@pytest.mark.parametrize(
    "domain",
    [
        "com",
        " COM ",
        "com.",
        ".org",
        "uk",
        "ck",
        "中国",
        "xn--fiqs8s",
        "arpa",
        "co.uk",
        "CO.UK",
        "com.au",
        "ac.jp",
        "kawasaki.jp",
        "anything.ck",  # a wildcard rule
        "公司.cn",
        "xn--55qx5d.cn",
        "github.io",
        "blogspot.com",
        "s3.amazonaws.com",
        "pages.dev",
        "herokuapp.com",
        "k12.ca.us",
    ],
)
async def test_a_public_suffix_is_nobodys(core: Core, owner: Principal, domain: str) -> None:
    with pytest.raises(ReservedDomain, match="public suffix"):
        await register(core, owner, domain)


@pytest.mark.parametrize("domain", ["example.co.uk", "www.ck", "city.kawasaki.jp", "me.github.io", "a.test"])
async def test_a_domain_below_a_public_suffix_is_somebodys(core: Core, owner: Principal, domain: str) -> None:
    assert (await register(core, owner, domain)).domain == domain


@pytest.mark.parametrize("claimed", [DOMAIN, f"a.{DOMAIN}", "example.org"])
async def test_a_claim_that_was_not_proven_lapses(
    core: Core, owner: Principal, dns: DnsServer, clock: ManualClock, claimed: str
) -> None:
    wanted = "sub.example.org" if claimed == "example.org" else DOMAIN
    squatter = await account(core, "b@example.org")
    await register(core, squatter, claimed)
    clock.advance(hours=71)
    assert (await register(core, squatter, claimed)).created_at < clock.now()  # which does not prolong it
    with pytest.raises(DomainTaken, match="until"):
        await register(core, owner, wanted)
    clock.advance(hours=1)
    publish(dns, await register(core, owner, wanted))
    assert (await verify(core, owner, wanted)).verified
    with pytest.raises(NotFound):
        await Domains(core, squatter).get(claimed)
    with pytest.raises(DomainTaken):
        await register(core, squatter, claimed)


async def test_a_proven_claim_never_lapses(
    core: Core, owner: Principal, dns: DnsServer, clock: ManualClock
) -> None:
    publish(dns, await register(core, owner))
    await verify(core, owner)
    clock.advance(days=400)
    other = await account(core, "b@example.org")
    for domain in (DOMAIN, f"a.{DOMAIN}"):
        with pytest.raises(DomainTaken):
            await register(core, other, domain)


async def test_a_lapsed_claim_may_still_be_proven(
    core: Core, owner: Principal, dns: DnsServer, clock: ManualClock
) -> None:
    view = await register(core, owner)
    clock.advance(days=4)
    publish(dns, view)
    assert (await verify(core, owner)).verified


async def test_of_two_open_claims_the_proven_one_stands(
    core: Core, owner: Principal, dns: DnsServer, clock: ManualClock
) -> None:
    other = await account(core, "b@example.org")
    below = await register(core, other, f"a.{DOMAIN}")
    clock.advance(hours=72)
    publish(dns, below, await register(core, owner))
    assert (await verify(core, other, f"a.{DOMAIN}")).verified
    with pytest.raises(NotFound):
        await verify(core, owner)


async def test_of_simultaneous_claims_one_wins(core: Core, owner: Principal) -> None:
    other = await account(core, "b@example.org")
    made: list[DomainView] = []
    refused: list[DomainTaken] = []

    async def attempt(principal: Principal, domain: str) -> None:
        try:
            made.append(await register(core, principal, domain))
        except DomainTaken as refusal:
            refused.append(refusal)

    async with create_task_group() as tasks:
        for principal, domain in [(owner, DOMAIN), (other, f"a.{DOMAIN}"), (owner, DOMAIN), (other, DOMAIN)]:
            tasks.start_soon(attempt, principal, domain)
    rows = await core.db.read(sql("SELECT account_id FROM domains WHERE account_id IS NOT NULL"))
    assert len({row["account_id"] for row in rows}) == 1
    assert len({view.verification_token for view in made}) == len({view.domain for view in made})
    assert len(refused) == 2


async def test_a_plan_bounds_the_domains(core: Core, owner: Principal) -> None:
    core = replace(core, settings=replace(core.settings, max_domains=1))
    await register(core, owner)
    for domain in (DOMAIN, "another.example"):  # the cap is looked at first
        with pytest.raises(LimitExceeded) as refusal:
            await register(core, owner, domain)
        assert refusal.value.details is not None
        assert refusal.value.details["resource"] == "domains"


async def test_a_list_counts_agents(core: Core, owner: Principal, dns: DnsServer, clock: ManualClock) -> None:
    view = await register(core, owner)
    clock.advance(seconds=1)
    await register(core, owner, "newer.example")
    await register(core, await account(core, "b@example.org"), "foreign.example")
    publish(dns, view)
    await verify(core, owner)
    await make_agent(core, owner, f"a@{DOMAIN}")
    await Agents(core, owner).delete(await make_agent(core, owner, f"b@{DOMAIN}"))
    domains = Domains(core, owner)
    first = await domains.list(limit=1)
    second = await domains.list(limit=1, cursor=first.next_cursor)
    listed = [*first.items, *second.items]
    assert [(item.domain, item.agent_count) for item in listed] == [("newer.example", 0), (DOMAIN, 1)]
    assert second.next_cursor is None
    assert record(second.items[0], "dkim") == record(await domains.get(DOMAIN), "dkim")
    assert (await domains.get(DOMAIN)).agent_count == 0


async def test_published_records_verify_a_domain(
    core: Core, owner: Principal, dns: DnsServer, clock: ManualClock
) -> None:
    view = await register(core, owner)
    clock.advance(minutes=5)
    nothing = await verify(core, owner)
    assert nothing.to_wire() == {
        "domain": DOMAIN,
        "verified": False,
        "mx": "missing",
        "spf": "missing",
        "dkim": "missing",
    }
    publish(dns, view)
    found = await verify(core, owner)
    assert (found.verified, found.mx, found.spf, found.dkim) == (True, "found", "found", "found")
    assert found.verified_at == clock.now()
    shown = await Domains(core, owner).get(DOMAIN)
    assert (shown.verified, shown.verified_at, shown.last_checked_at) == (True, clock.now(), clock.now())
    assert (shown.capabilities.inbound, shown.capabilities.outbound) == ("verified", "verified")
    assert shown.sending_status == "verified"
    statuses = {item.purpose: item.status for item in shown.dns_records}
    assert [statuses[purpose] for purpose in ("ownership", "inbound_mx", "dkim")] == ["verified"] * 3
    assert statuses["inbound_mx_wildcard"] == "pending"

    dns.zones = {}
    clock.advance(minutes=5)
    later = await verify(core, owner)
    assert (later.verified, later.verified_at, later.mx) == (True, found.verified_at, "missing")
    shown = await Domains(core, owner).get(DOMAIN)
    assert (shown.verified, shown.sending_status, shown.last_checked_at) == (True, "failed", clock.now())
    assert shown.capabilities.outbound == "failed"


@pytest.mark.parametrize("left_out", ["ownership", "inbound_mx"])
async def test_both_records_are_needed(core: Core, owner: Principal, dns: DnsServer, left_out: str) -> None:
    publish(dns, await register(core, owner), leave_out=(left_out,))
    assert not (await verify(core, owner)).verified


async def test_how_records_may_look(core: Core, owner: Principal, dns: DnsServer) -> None:
    view = await register(core, owner)
    key = record(view, "dkim")
    dns.zones = {
        DOMAIN: {
            "TXT": ["v=spf1 include:other.example ~all", f"note {view.verification_token};"],
            "MX": [(5, "backup.example"), (20, RELAY.upper())],
        },
        key.name: {"TXT": [key.value[:-40]]},
    }
    found = await verify(core, owner)
    assert (found.verified, found.spf, found.dkim) == (True, "missing", "mismatch")
    zones = dict(dns.zones)
    zones[key.name] = {"TXT": [key.value[:-40], key.value.replace("p=", "p= ")]}
    zones[DOMAIN] = {"TXT": [f"v=spf1 include:{RELAY} -all"]}
    dns.zones = zones
    found = await verify(core, owner)
    assert (found.spf, found.dkim) == ("found", "found")


@pytest.mark.parametrize("trouble", [SERVFAIL, TIMEOUT])
async def test_a_dns_in_trouble_proves_nothing_and_takes_nothing(
    core: Core, owner: Principal, dns: DnsServer, trouble: str
) -> None:
    view = await register(core, owner)
    key = record(view, "dkim")
    dns.zones = {DOMAIN: trouble, key.name: trouble}
    found = await verify(core, owner)
    assert (found.verified, found.mx, found.spf, found.dkim) == (False, "missing", "missing", "missing")
    publish(dns, view)
    await verify(core, owner)
    dns.zones = {DOMAIN: trouble, key.name: trouble}
    await verify(core, owner)
    assert (await Domains(core, owner).get(DOMAIN)).sending_status == "verified"


async def test_verification_that_trusts_itself(core: Core, owner: Principal) -> None:
    core = replace(core, settings=replace(core.settings, dns_verify=False))
    await register(core, owner)
    found = await verify(core, owner)
    assert (found.verified, found.mx, found.spf, found.dkim) == (True, "found", "found", "found")
    await make_agent(core, owner, f"a@below.{DOMAIN}")


async def test_a_verified_subdomain_takes_over_its_agents(
    core: Core, owner: Principal, dns: DnsServer
) -> None:
    parent = await register(core, owner)
    publish(dns, parent)
    await verify(core, owner)
    dns.zones = {name: {"MX": [(10, RELAY)]} for name in (f"x.eu.{DOMAIN}", f"us.{DOMAIN}")}
    for email in (f"a@x.eu.{DOMAIN}", f"a@us.{DOMAIN}", f"a@{DOMAIN}"):
        await make_agent(core, owner, email)
    sub = await register(core, owner, f"eu.{DOMAIN}")
    publish(dns, parent, sub)
    assert (await verify(core, owner, sub.domain)).verified
    page = await Agents(core, owner).list()
    assert {item.email: item.registered_domain for item in page.items} == {
        f"a@x.eu.{DOMAIN}": sub.domain,
        f"a@us.{DOMAIN}": DOMAIN,
        f"a@{DOMAIN}": DOMAIN,
    }


async def test_rotation_waits_for_the_dns(
    core: Core, owner: Principal, dns: DnsServer, clock: ManualClock
) -> None:
    domains, signing = Domains(core, owner), SigningKeys(core)
    first = await register(core, owner)
    publish(dns, first)
    await verify(core, owner)

    async def signs_with() -> str:
        key = await signing.current(DOMAIN)
        assert key is not None
        return key.selector

    def selectors(view: DomainView) -> list[str]:
        return [item.name.partition(".")[0] for item in view.dns_records if item.purpose == "dkim"]

    clock.advance(hours=1)
    second = await domains.rotate_key(DOMAIN)
    assert selectors(second) == ["e2a202603", "e2a202603-2"]
    assert await domains.rotate_key(DOMAIN) == second
    assert (await verify(core, owner)).dkim == "missing"
    assert await signs_with() == "e2a202603"

    publish(dns, second)
    clock.advance(hours=1)
    assert (await verify(core, owner)).dkim == "found"
    assert await signs_with() == "e2a202603-2"
    assert selectors(await domains.get(DOMAIN)) == ["e2a202603", "e2a202603-2"]
    [retired] = await core.db.read(sql("SELECT private_key FROM dkim_keys WHERE retired_at IS NOT NULL"))
    assert bytes(retired["private_key"]) == b""

    clock.advance(days=40)
    third = await domains.rotate_key(DOMAIN)
    assert selectors(third) == ["e2a202603-2", "e2a202604"]
    assert third.sending_status == "verified"


async def test_a_domain_without_a_key(core: Core, owner: Principal, dns: DnsServer) -> None:
    view = await register(core, owner)
    await core.db.write([sql("DELETE FROM dkim_keys")])
    publish(dns, view)
    assert (await verify(core, owner)).dkim == "deferred"
    shown = await Domains(core, owner).get(DOMAIN)
    assert "dkim" not in [item.purpose for item in shown.dns_records]
    assert shown.sending_status == "pending"


async def test_a_domain_goes_when_its_agents_have_gone(core: Core, owner: Principal) -> None:
    core = replace(core, settings=replace(core.settings, dns_verify=False))
    await register(core, owner)
    await verify(core, owner)
    agent = await make_agent(core, owner, f"a@{DOMAIN}")
    domains, agents = Domains(core, owner), Agents(core, owner)
    for _ in range(2):
        with pytest.raises(DomainHasAgents) as refusal:
            await domains.delete(DOMAIN)
        assert (refusal.value.code, refusal.value.status) == ("domain_has_agents", 400)
        if not (await agents.list(deleted=True)).items:
            await agents.delete(agent)
    await agents.delete(agent, permanent=True)
    assert (await domains.delete(DOMAIN)).to_wire() == {"deleted": True, "domain": DOMAIN}
    with pytest.raises(NotFound):
        await domains.delete(DOMAIN)
    assert await core.db.read(sql("SELECT selector FROM dkim_keys")) == []
    await register(core, await account(core, "b@example.org"))


@pytest.mark.parametrize("domain", [DOMAIN, SHARED, "unknown.example", "", "\x00", "\ud800", "ü" * 2000])
async def test_who_may_not_see_a_domain(core: Core, owner: Principal, domain: str) -> None:
    other = await account(core, "b@example.org")
    await register(core, other)
    bound = agent_credential(owner, await make_agent(core, owner, f"bot@{SHARED}"))
    for principal, error in [(owner, NotFound), (bound, Forbidden)]:
        domains = Domains(core, principal)
        for call in (domains.get, domains.verify, domains.delete, domains.rotate_key):
            with pytest.raises(error):
                await call(domain)
    with pytest.raises(Forbidden):
        await Domains(core, bound).list()
    with pytest.raises(Forbidden):
        await register(core, bound, "mine.example")
    assert (await Domains(core, owner).list()).items == []


async def test_an_agent_below_a_domain_needs_its_mail_to_come_here(
    core: Core, owner: Principal, dns: DnsServer
) -> None:
    publish(dns, await register(core, owner))
    await verify(core, owner)
    agents = Agents(core, owner)
    zones = dict(dns.zones)
    zones |= {
        f"ok.{DOMAIN}": {"MX": [(10, f"{RELAY}.")]},
        f"away.{DOMAIN}": {"MX": [(10, "elsewhere.example")]},
        f"silent.{DOMAIN}": TIMEOUT,
        f"broken.{DOMAIN}": SERVFAIL,
    }
    dns.zones = zones
    made = await agents.create(CreateAgentRequest(email=f"a@ok.{DOMAIN}"))
    assert (made.domain, made.registered_domain, made.domain_verified) == (f"ok.{DOMAIN}", DOMAIN, True)
    for name in ("away", "missing"):
        with pytest.raises(InboundMxMissing) as missing:
            await agents.create(CreateAgentRequest(email=f"a@{name}.{DOMAIN}"))
        assert (missing.value.code, missing.value.status) == ("inbound_mx_missing", 400)
    for name in ("silent", "broken"):
        with pytest.raises(InboundMxCheckFailed) as failed:
            await agents.create(CreateAgentRequest(email=f"a@{name}.{DOMAIN}"))
        assert (failed.value.code, failed.value.status) == ("inbound_mx_check_failed", 503)
        assert failed.value.retryable
    with pytest.raises(ReservedDomain):
        await agents.create(CreateAgentRequest(email=f"a@bounce.{DOMAIN}"))
    zones[f"missing.{DOMAIN}"] = {"MX": [(10, RELAY)]}
    dns.zones = zones
    await agents.create(CreateAgentRequest(email=f"a@missing.{DOMAIN}"))


async def told_of_sending(core: Core) -> list[tuple[str, dict[str, object]]]:
    rows = await core.db.read(
        sql("SELECT type, data FROM events WHERE type LIKE 'domain.sending%' ORDER BY seq")
    )
    return [(row["type"].partition("_")[2], json.loads(row["data"])) for row in rows]


async def test_what_changes_in_the_dns_is_told_once(
    core: Core, owner: Principal, dns: DnsServer, clock: ManualClock
) -> None:
    view = await register(core, owner)
    key = record(view, "dkim")
    publish(dns, view, leave_out=("dkim",))
    await verify(core, owner)
    assert await told_of_sending(core) == []
    right, wrong = {"TXT": [key.value]}, {"TXT": [key.value[:-40]]}
    gone = "the DKIM record of the selector e2a202603 is gone"
    another = "the DKIM record of the selector e2a202603 has another key"
    steps: list[tuple[dict[str, list[str]] | str, str | None]] = [
        (wrong, another),
        (wrong, another),
        (right, None),
        (right, None),
        (SERVFAIL, None),
        ({}, gone),
        (SERVFAIL, gone),
        (wrong, another),
        (right, None),
    ]
    for zone, reason in steps:
        dns.zones = {**dns.zones, key.name: zone}
        clock.advance(minutes=5)
        await verify(core, owner)
        shown = await Domains(core, owner).get(DOMAIN)
        assert shown.sending_status == ("failed" if reason else "verified"), zone
    told = await told_of_sending(core)
    assert [name for name, _ in told] == ["failed", "verified", "failed", "verified"]
    assert told[0][1] == {"domain": DOMAIN, "sending_status": "failed", "reason": another}
    assert told[1][1] == {"domain": DOMAIN, "sending_status": "verified"}
    assert told[2][1] == {"domain": DOMAIN, "sending_status": "failed", "reason": gone}


async def test_checks_at_the_same_time_tell_once(core: Core, owner: Principal, dns: DnsServer) -> None:
    publish(dns, await register(core, owner))
    await asyncio.gather(*(verify(core, owner) for _ in range(5)))
    assert [name for name, _ in await told_of_sending(core)] == ["verified"]


async def test_a_domain_that_is_not_proven_is_not_told_of(
    core: Core, owner: Principal, dns: DnsServer
) -> None:
    publish(dns, await register(core, owner), leave_out=("ownership",))
    await verify(core, owner)
    assert await told_of_sending(core) == []


async def test_a_new_key_that_is_not_published_yet_fails_nothing(
    core: Core, owner: Principal, dns: DnsServer, clock: ManualClock
) -> None:
    domains = Domains(core, owner)
    publish(dns, await register(core, owner))
    await verify(core, owner)
    clock.advance(days=40)
    rotated = await domains.rotate_key(DOMAIN)
    await verify(core, owner)
    assert (await domains.get(DOMAIN)).sending_status == "verified"
    publish(dns, rotated)
    await verify(core, owner)
    assert [name for name, _ in await told_of_sending(core)] == ["verified"]
