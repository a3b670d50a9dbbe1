"""Which addresses a new agent may have."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.agents.addresses import RESERVED_SLUGS, parse_new_address
from e2a_core.errors import InvalidRequest, InvalidSlug
from e2a_core.mail.roles import RESERVED

SHARED = "agents.localhost"


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("bot@agents.localhost", "bot@agents.localhost"),
        (" Bot-2@Agents.LOCALHOST ", "bot-2@agents.localhost"),
        (f"{'a' * 40}@agents.localhost", f"{'a' * 40}@agents.localhost"),
        ("sales.EU+x@Example.com", "sales.eu+x@example.com"),
        ("bot@bücher.example", "bot@xn--bcher-kva.example"),
    ],
)
def test_good_addresses_are_normalised(text: str, email: str) -> None:
    assert parse_new_address(text, shared_domain=SHARED).email == email


@pytest.mark.parametrize(
    "slug", ["a", "a" * 41, "-a", "a-", "a.b", "a_b", "a+b", "ä1", "a b", *sorted(RESERVED_SLUGS)]
)
def test_bad_slugs(slug: str) -> None:
    with pytest.raises(InvalidSlug):
        parse_new_address(f"{slug}@agents.localhost", shared_domain=SHARED)


@pytest.mark.parametrize(
    "local",
    [
        *sorted(RESERVED),
        "Admin",
        "ADMIN+x",
        "webmaster+",
        '"abuse"',
        '"postmaster "',
        "hitl-noreply+a+b",
        "ａdmin",
        "\u0430dmin",
        "p\u03bfstmaster",
        "adm\u0131n",
        "admi\u0144",
        "post.master",
        "mailer_daemon",
        "mailerdaemon",
        "admin.",
        "admin-",
        "ssl-admin",
        "IT",
        "i.t",
        "ｉs",
        "Autodiscover",
        "auto-config",
        "\u0430utoconfig",
        "w.p.a.d",
        "mta_sts",
        "MTA-STS+x",
        "isatap.",
        "mail.daemon",
        "Mail-Daemon",
        "ssl_certificates",
    ],
)
def test_names_of_the_domain_itself_are_nobody_s_inbox(local: str) -> None:
    with pytest.raises(InvalidSlug) as refusal:
        parse_new_address(f"{local}@example.com", shared_domain=SHARED)
    assert refusal.value.fields[0][0] == "body.email"


@pytest.mark.parametrize(
    "local",
    [
        "sales",
        "support",
        "marketing",
        "billing",
        "administration",
        "abuse-desk",
        "postmasters",
        "admin1",
        "items",
        "it-help",
        "issues",
        "wpad2",
        "discover",
        "noreply-desk",
    ],
)
@pytest.mark.parametrize("domain", [SHARED, "example.com"])
def test_business_names_are_free(local: str, domain: str) -> None:
    assert parse_new_address(f"{local}@{domain}", shared_domain=SHARED).email == f"{local}@{domain}"


NO_REPLIES = ["noreply", "no-reply", "n-o-reply", "donotreply", "do-not-reply", "do-notreply"]
SYSTEM = ["e2a", "e-2-a", "info", "in-fo", "smtp", "pop3", "dmarc", "d-marc", "tls-rpt", "log-in", "verify"]


@pytest.mark.parametrize("local", [*NO_REPLIES, *SYSTEM])
def test_on_the_shared_domain_nobody_speaks_for_the_deployment(local: str) -> None:
    with pytest.raises(InvalidSlug):
        parse_new_address(f"{local}@{SHARED}", shared_domain=SHARED)
    # The owner of a domain may.
    assert parse_new_address(f"{local}@example.com", shared_domain=SHARED).local == local


def test_what_the_relay_writes_as_is_kept_where_its_mail_comes_from() -> None:
    for local in ("agent", "Agent+x", *NO_REPLIES, "No.Reply", "do_not_reply+1", "nоreply"):
        with pytest.raises(InvalidSlug):
            parse_new_address(f"{local}@out.example", shared_domain=SHARED, from_domain="out.example")
        parse_new_address(f"{local}@example.com", shared_domain=SHARED, from_domain="out.example")


@pytest.mark.parametrize(
    "text",
    ["", "@example.com", "bot@", "bot@-x.example", "bot@[127.0.0.1]", "a b@example.com", "a@b@c.d"],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_new_address(text, shared_domain=SHARED)
    assert refusal.value.code == "invalid_request"
    assert refusal.value.fields[0][0] == "body.email"


@given(st.one_of(st.text(), st.from_regex(r"[^@]{0,9}@(agents\.localhost|[a-z.-]{0,9})", fullmatch=True)))
@settings(max_examples=200, deadline=None)
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        email = parse_new_address(text, shared_domain=SHARED).email
    except InvalidRequest:
        return
    assert parse_new_address(email, shared_domain=SHARED).email == email


def test_a_name_alone_is_one_under_the_shared_domain() -> None:
    assert parse_new_address(" Sales ", shared_domain=SHARED).email == f"sales@{SHARED}"
    with pytest.raises(InvalidRequest):
        parse_new_address("sales", shared_domain="")
    with pytest.raises(InvalidSlug):
        parse_new_address("postmaster", shared_domain=SHARED)
