"""Which URLs and addresses a callback may have."""

from __future__ import annotations

import ipaddress

import pytest

from e2a_core.push.targets import BadTarget, is_public, parse_target

NOT_PUBLIC = [
    *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1"),
    *("172.31.255.255", "192.0.0.1", "192.0.0.170", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1"),
    *("198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254"),
    *(
        "64:ff9b::10.0.0.1",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2001:10::1",
    ),
    *("2002:7f00:1::", "3fff::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1"),
]
PUBLIC = [
    "8.8.8.8",
    "93.184.216.34",
    "192.0.1.1",
    "198.17.255.255",
    "198.20.0.1",
    "100.63.255.255",
    "100.128.0.1",
]
PUBLIC += ["172.15.0.1", "172.32.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_of_the_global_internet_is_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_a_global_address_is_taken(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


BAD = [
    *(
        "",
        "hook",
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "https://",
        "https:///path",
        "https://:443/",
    ),
    *(
        "https://10.0.0.1/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
    ),
    *(
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://017700000001/",
        "https://127.1/",
    ),
    *(
        "https://1.2.3.0x10/",
        "https://localhost/",
        "https://LOCALHOST/",
        "https://localhost./",
        "https://a.localhost/",
    ),
    *(
        "https://intranet/",
        "https://a..example.com/",
        "https://user@hooks.example.com/",
        "https://user:pw@hooks.example.com/",
    ),
    *("https://hooks.example.com/#part", "https://hooks.example.com:0/", "https://hooks.example.com:99999/"),
    *(
        "https://hooks.example.com:http/",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\r\nX: y",
        "https://[half",
    ),
    *(
        "https://hooks.example.com/\x00",
        "javascript:alert(1)",
        "https://" + "a" * 64 + "." + "b" * 2048 + ".example/",
    ),
    *("https://\u2488.example\u3002/", "https://xn--.\ud800/"),
]


@pytest.mark.parametrize("url", BAD)
@pytest.mark.parametrize("production", [True, False])
def test_a_url_that_may_not_be_called_is_refused(url: str, production: bool) -> None:
    with pytest.raises(BadTarget):
        parse_target(url, production=production, allow_loopback=False)


LOOPBACK = ["http://127.0.0.1:8000/x", "http://localhost/x", "https://127.9.9.9/x", "http://[::1]:80/x"]


@pytest.mark.parametrize("url", LOOPBACK)
def test_this_machine_is_called_outside_production_and_by_setting_only(url: str) -> None:
    assert parse_target(url, production=False, allow_loopback=True).url == url
    for production, allowed in ((True, True), (True, False), (False, False)):
        with pytest.raises(BadTarget):
            parse_target(url, production=production, allow_loopback=allowed)


def test_the_setting_is_named_where_it_would_help() -> None:
    for url, production, named in (
        ("http://127.0.0.1:8000/x", False, True),
        ("http://localhost/x", False, True),
        ("http://127.0.0.1:8000/x", True, False),
        ("http://hooks.example.com/x", False, False),
    ):
        with pytest.raises(BadTarget, match="must be an https:// URL") as refused:
            parse_target(url, production=production, allow_loopback=False)
        assert ("E2A_PUSH_ALLOW_LOOPBACK=true" in str(refused.value)) is named, url


def test_the_setting_opens_nothing_but_loopback() -> None:
    for url in ("http://10.0.0.1/", "http://hooks.example.com/", "https://192.168.0.1/", "http://0.0.0.0/"):
        with pytest.raises(BadTarget):
            parse_target(url, production=False, allow_loopback=True)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://Hooks.Example.COM/x?y=1", "hooks.example.com", 443),
        ("https://hooks.example.com.:8443/", "hooks.example.com.", 8443),
        ("https://bücher.example/", "xn--bcher-kva.example", 443),
    ],
)
def test_a_name_is_taken(url: str, host: str, port: int) -> None:
    found = parse_target(url, production=True, allow_loopback=False)
    assert (found.host, found.port, found.scheme) == (host, port, "https")
