"""DMARC as RFC 9989 has it: the tree walk, organizational domains, alignment and the choice of policy."""

from __future__ import annotations

from typing import Any

import pytest

from e2a_core.authentication.dmarc import evaluate_dmarc, walk_names, walk_tree
from e2a_core.authentication.resolver import Resolver
from e2a_core.authentication.results import DkimResult, DmarcResult, SpfResult
from e2a_core.clock import SystemClock
from tests.authentication.helpers import resolving
from tests.support.dns import SERVFAIL, DnsServer

pytestmark = pytest.mark.anyio

NO_SPF = SpfResult("none")


def records(**published: str) -> dict[str, Any]:
    """Zones with a DMARC record per name; `__` in a name stands for a dot."""
    return {
        f"_dmarc.{name.replace('__', '.')}": {"TXT": [f"v=DMARC1; {tags}"]}
        for name, tags in published.items()
    }


async def evaluate(
    author: str | None, zones: dict[str, Any], *, spf: str | None = None, dkim: str | None = None
) -> DmarcResult:
    """DMARC where SPF passed for the domain `spf` and DKIM for the domain `dkim`."""
    spf_result = SpfResult("pass", spf) if spf else NO_SPF
    dkim_results = [DkimResult("pass", dkim, "s1")] if dkim else []
    with resolving(zones) as resolver:
        return await evaluate_dmarc(author, spf_result, dkim_results, resolver)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (1, ["d1"]),
        (2, ["d2.d1", "d1"]),
        (7, 7),
        (8, 8),
        (9, 8),
        (40, 8),
    ],
)
def test_how_far_a_walk_goes(labels: int, names: list[str] | int) -> None:
    domain = ".".join(f"d{n}" for n in range(labels, 0, -1))
    walked = walk_names(domain)
    if isinstance(names, list):
        assert walked == names
        return
    assert len(walked) == names
    assert walked[0] == domain
    assert walked[1].count(".") + 1 == min(labels - 1, 7)
    assert walked[-1] == "d1"


async def test_a_long_name_is_asked_about_eight_times_at_most() -> None:
    with DnsServer({}) as server:
        with_many_labels = "a.b.c.d.e.f.g.h.i.j.mail.example.com"

        await walk_tree(with_many_labels, Resolver(server.address, SystemClock()))
        assert sum(server.queries.values()) == 8
        assert ("_dmarc.g.h.i.j.mail.example.com", "TXT") in server.queries
        assert ("_dmarc.f.g.h.i.j.mail.example.com", "TXT") not in server.queries


@pytest.mark.parametrize(
    ("zones", "domain", "organization"),
    [
        # The record of the shortest name, when none says what it is.
        (records(example__com="p=none"), "a.mail.example.com", "example.com"),
        (records(mail__example__com="p=none", example__com="p=none"), "a.mail.example.com", "example.com"),
        # psd=n names the organization wherever it stands.
        (
            records(mail__example__com="p=none;psd=n", example__com="p=none"),
            "a.mail.example.com",
            "mail.example.com",
        ),
        (records(example__com="p=none;psd=n"), "example.com", "example.com"),
        # psd=y makes it the domain one label below.
        (records(bank="p=reject;psd=y", mail__giant__bank="p=none"), "mail.giant.bank", "giant.bank"),
        (records(co__example="p=none;psd=y"), "x.shop.co.example", "shop.co.example"),
        # ... but not for the public suffix itself.
        (records(co__example="p=none;psd=y"), "co.example", "co.example"),
        # ... which may lie in the organization of a larger suffix.
        (records(co__example="p=none;psd=y", example="p=none;psd=y"), "co.example", "co.example"),
        (records(a__co__example="p=none;psd=y", example="p=none;psd=y"), "a.co.example", "co.example"),
        # Without any record every name is its own organization.
        ({}, "mail.example.com", "mail.example.com"),
    ],
)
async def test_organizational_domains(zones: dict[str, Any], domain: str, organization: str) -> None:
    with resolving(zones) as resolver:
        assert (await walk_tree(domain, resolver)).organizational_domain == organization


@pytest.mark.parametrize(
    ("zones", "author", "policy"),
    [
        (records(example__com="p=reject"), "example.com", "reject"),
        (records(example__com="p=reject; sp=quarantine"), "example.com", "reject"),
        (records(example__com="p=reject; sp=quarantine"), "mail.example.com", "quarantine"),
        (records(example__com="p=reject"), "mail.example.com", "reject"),
        (records(mail__example__com="p=none", example__com="p=reject"), "mail.example.com", "none"),
        # The record of the organization, not the one between.
        (records(mail__example__com="p=none", example__com="p=reject"), "a.mail.example.com", "reject"),
        # The public suffix speaks for organizations that are silent.
        (records(bank="p=reject; psd=y"), "giant.bank", "reject"),
        (records(bank="p=none; sp=reject; psd=y"), "mail.giant.bank", "reject"),
        (records(bank="p=reject; psd=y", giant__bank="p=none"), "giant.bank", "none"),
        # np counts for names that do not exist, and only for them.
        (records(example__com="p=none; np=reject"), "nowhere.example.com", "reject"),
        (records(example__com="p=none; np=reject") | {"here.example.com": {"MX": [(1, "m.example")]}},
         "here.example.com", "none"),
        (records(example__com="p=none; np=reject") | {"shy.example.com": SERVFAIL}, "shy.example.com", "none"),
        (records(example__com="p=none; sp=quarantine"), "nowhere.example.com", "quarantine"),
        # Test mode does not change what was published.
        (records(example__com="p=reject; t=y"), "example.com", "reject"),
        # Records that are none.
        (records(example__com="p=whatever"), "example.com", None),
        ({"_dmarc.example.com": {"TXT": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}}, "example.com", None),
        ({"_dmarc.example.com": {"TXT": ["v=spf1 -all", "v=DMARC1; p=reject"]}}, "example.com", "reject"),
        ({}, "example.com", None),
    ],
)  # fmt: skip
async def test_which_policy_applies(zones: dict[str, Any], author: str, policy: str | None) -> None:
    result = await evaluate(author, zones)
    assert result.policy == policy
    assert result.status == ("fail" if policy else "none")
    assert result.domain == author


@pytest.mark.parametrize(
    ("tags", "author", "authenticated", "aligned"),
    [
        ("p=none", "example.com", "example.com", True),
        ("p=none", "example.com", "mail.example.com", True),
        ("p=none", "mail.example.com", "example.com", True),
        ("p=none", "mail.example.com", "bounce.example.com", True),
        ("p=none", "example.com", "example.net", False),
        ("p=none", "example.com", "badexample.com", False),
        ("p=none; aspf=s; adkim=s", "example.com", "example.com", True),
        ("p=none; aspf=s; adkim=s", "example.com", "mail.example.com", False),
    ],
)
async def test_alignment(tags: str, author: str, authenticated: str, aligned: bool) -> None:
    zones = records(example__com=tags, example__net="p=none")
    by_spf = await evaluate(author, zones, spf=authenticated)
    by_dkim = await evaluate(author, zones, dkim=authenticated)

    assert by_spf.spf_aligned is aligned
    assert by_dkim.dkim_aligned == (aligned,)
    assert by_spf.status == by_dkim.status == ("pass" if aligned else "fail")


async def test_strictness_is_per_mechanism() -> None:
    zones = records(example__com="p=none; aspf=s")
    assert (await evaluate("example.com", zones, spf="mail.example.com")).status == "fail"
    assert (await evaluate("example.com", zones, dkim="mail.example.com")).status == "pass"


async def test_tenants_of_a_public_suffix_do_not_align() -> None:
    zones = records(co__example="p=none; psd=y")
    assert (await evaluate("a.co.example", zones, spf="b.co.example")).status == "fail"
    assert (await evaluate("a.co.example", zones, spf="x.a.co.example")).status == "pass"


async def test_a_subdomain_that_declares_itself_an_organization_does_not_align() -> None:
    zones = records(example__com="p=reject", tenant__example__com="p=none; psd=n")
    assert (await evaluate("example.com", zones, spf="tenant.example.com")).status == "fail"


async def test_only_what_passed_can_align() -> None:
    with resolving(records(example__com="p=reject")) as resolver:
        result = await evaluate_dmarc(
            "example.com",
            SpfResult("softfail", "example.com"),
            [
                DkimResult("fail", "example.com", "a"),
                DkimResult("pass", "example.com", "b"),
                DkimResult("permerror"),
            ],
            resolver,
        )
    assert (result.status, result.spf_aligned) == ("pass", False)
    assert result.dkim_aligned == (False, True, False)


async def test_without_a_record_alignment_is_still_known() -> None:
    result = await evaluate("example.com", {}, spf="example.com", dkim="other.example")
    assert (result.status, result.spf_aligned, result.dkim_aligned) == ("none", True, (False,))
    assert (await evaluate("example.com", {}, spf="mail.example.com")).spf_aligned is False


@pytest.mark.parametrize("author", [None, "", "192.0.2.1", "[192.0.2.1]", "a..b", "exa mple"])
async def test_without_an_author_there_is_nothing_to_check(author: str | None) -> None:
    result = await evaluate(author, {}, spf="example.com", dkim="example.com")
    assert (result.status, result.domain, result.policy) == ("none", None, None)
    assert (result.spf_aligned, result.dkim_aligned) == (False, (False,))


async def test_internationalised_names_are_compared_as_a_labels() -> None:
    zones = records(**{"xn--bcher-kva__example": "p=reject"})
    result = await evaluate("Bücher.example", zones, dkim="xn--bcher-kva.example")
    assert (result.status, result.domain) == ("pass", "xn--bcher-kva.example")


async def test_trouble_on_the_way_up() -> None:
    broken_parent = records(example__com="p=reject") | {"_dmarc.com": SERVFAIL}
    result = await evaluate("example.com", broken_parent, spf="example.com")
    assert (result.status, result.policy, result.spf_aligned) == ("temperror", None, True)
    malformed = {"_dmarc.example.com": {"TXT": ["v=DMARC1; p=none; p=reject"]}}
    result = await evaluate("example.com", malformed)
    assert (result.status, result.policy) == ("fail", "none")


async def test_trouble_with_the_other_domain_counts_only_when_nothing_aligns() -> None:
    zones = records(example__com="p=reject") | {"_dmarc.mail.example.com": SERVFAIL}
    assert (await evaluate("example.com", zones, spf="mail.example.com")).status == "temperror"
    assert (await evaluate("example.com", zones, spf="mail.example.com", dkim="example.com")).status == "pass"
    assert (await evaluate("example.com", zones, spf="elsewhere.example")).status == "fail"


async def test_test_mode_is_reported() -> None:
    result = await evaluate("example.com", records(example__com="p=reject; t=y"))
    assert result.testing
    assert str(result.detail).endswith("in test mode (t=y)")


async def test_names_as_long_as_names_can_be() -> None:
    author = ".".join(["a" * 60] * 4)
    assert (await evaluate(author, {}, spf=author)).spf_aligned
