"""Settings: where they come from, and that a wrong one is named with what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2a_core.errors import SettingsError
from e2a_core.settings import Settings, load_settings, setting_names

LONG_SECRET = "a-secret-that-is-long-enough-for-production"


def load(home: Path, **environment: str) -> Settings:
    return load_settings({"E2A_HOME": str(home), **environment})


def test_the_defaults_are_safe(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert (str(settings.smtp_listen), str(settings.http_listen)) == ("127.0.0.1:2525", "127.0.0.1:8080")
    assert settings.sandbox
    assert settings.mcp_scope == ""
    assert settings.mcp_attachment_roots == ()
    assert settings.effective_database_url == f"sqlite:///{tmp_path}/e2a.db"
    assert settings.hostname == settings.from_domain == "agents.localhost"


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("E2A_ENV", "prod", "development or production"),
        ("E2A_SMTP_LISTEN", "2525", "HOST:PORT"),
        ("E2A_SMTP_LISTEN", "127.0.0.1:70000", "HOST:PORT"),
        ("E2A_SMTP_LISTEN", "127.0.0.1:२५२५", "HOST:PORT"),
        ("E2A_DNS_SERVER", "localhost", "HOST:PORT"),
        ("E2A_DNS_SERVER", "localhost:53", "IP:PORT"),
        ("E2A_DNS_SERVER", "300.1.1.1:53", "IP:PORT"),
        ("E2A_DNS_SERVER", "127.0.0.1:0", "from 1 to 65535"),
        ("E2A_OWNER_EMAIL", "me", "you@example.com"),
        ("E2A_AGENT_EMAIL", "assistant", "you@example.com"),
        ("E2A_SMTP_DOMAIN", "under_score.example", "a domain name"),
        ("E2A_SHARED_DOMAIN", "two..dots", "a domain name"),
        ("E2A_PUBLIC_URL", "ftp://example.org", "http"),
        ("E2A_PUBLIC_URL", "https://x.example\r\nBcc: spy@evil.example", "without user name"),
        ("E2A_PUBLIC_URL", "https://x.example/\u2028", "without user name"),
        ("E2A_PUBLIC_URL", "https://x.example/a b", "without user name"),
        ("E2A_PUBLIC_URL", "https://you:secret@x.example", "without user name"),
        ("E2A_PUBLIC_URL", "https://x.example/?next=", "query or fragment"),
        ("E2A_PUBLIC_URL", "https://x.example/#", "query or fragment"),
        ("E2A_PUBLIC_URL", "https://x.example/>,<", "without user name"),
        ("E2A_PUBLIC_URL", "https://x.example:99999", "http"),
        ("E2A_PUBLIC_URL", "http://[", "http"),
        ("E2A_API_URL", "https://x.example\nHost: y", "without user name"),
        ("E2A_OUTBOUND_SMTP_HOST", "smtp.example\r\nQUIT", "without scheme and port"),
        ("E2A_OUTBOUND_SMTP_HOST", "smtp://smtp.example", "without scheme and port"),
        ("E2A_OUTBOUND_SMTP_HOST", "smtp.example:587", "without scheme and port"),
        ("E2A_OUTBOUND_SMTP_HOST", "you@smtp.example", "without scheme and port"),
        ("E2A_OUTBOUND_SMTP_PORT", "1_000", "whole number"),
        ("E2A_OUTBOUND_SMTP_PORT", "٢٥", "whole number"),
        ("E2A_SMTP_MAX_MESSAGE_BYTES", "9" * 5_000, "whole number"),
        ("E2A_OUTBOUND_SMTP_PORT", "0", "from 1 to 65535"),
        ("E2A_OUTBOUND_SMTP_PORT", "smtp", "whole number"),
        ("E2A_OUTBOUND_SMTP_REQUIRE_TLS", "maybe", "true or false"),
        ("E2A_SMTP_PROXY_TRUSTED_CIDRS", "10.0.0.0/33", "CIDR"),
        ("E2A_SMTP_PROXY_TRUSTED_CIDRS", "0.0.0.0/0", "narrower"),
        ("E2A_MCP_SCOPE", "admin", "agent or account"),
        ("E2A_SEND_RATE_PER_MINUTE", "-1", "from 0"),
        ("E2A_LOG_LEVEL", "loud", "debug or info"),
        ("E2A_OUTBOUND_SMTP_VERP", "true", "message or recipient or off"),
        ("E2A_OUTBOUND_SMTP_VERP", "false", "message or recipient or off"),
        ("E2A_OUTBOUND_SMTP_VERP", "on", "message or recipient or off"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(
    tmp_path: Path, name: str, value: str, wanted: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, **{name: value})
    assert name in str(caught.value)
    assert wanted in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"E2A_SMTP_TLS_CERT": "/c.pem"}, "E2A_SMTP_TLS_KEY"),
        ({"E2A_OUTBOUND_SMTP_USERNAME": "u"}, "E2A_OUTBOUND_SMTP_HOST"),
        ({"E2A_HMAC_SECRET": " , "}, "E2A_HMAC_SECRET"),
        ({"E2A_ENV": "production"}, "E2A_HMAC_SECRET"),
        ({"E2A_ENV": "production", "E2A_HMAC_SECRET": "short"}, "32 bytes"),
        ({"E2A_ENV": "production", "E2A_HMAC_SECRET": "change-me-in-production"}, "placeholder"),
    ],
)
def test_settings_that_do_not_go_together(tmp_path: Path, environment: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load(tmp_path, **environment)


def test_production_asks_the_relay_for_tls(tmp_path: Path) -> None:
    production = {"E2A_ENV": "production", "E2A_HMAC_SECRET": LONG_SECRET}
    assert load(tmp_path, **production).require_tls
    assert not load(tmp_path, **production, E2A_OUTBOUND_SMTP_REQUIRE_TLS="false").require_tls
    assert not load(tmp_path).require_tls


def test_the_file_counts_where_the_environment_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        'shared_domain = "file.example"\n'
        "outbound_smtp_port = 465\n"
        "mcp_legacy_tools = true\n"
        'mcp_allowed_hosts = ["a.example", "b.example"]\n'
        f'mcp_attachment_roots = ["{tmp_path}/one", "{tmp_path}/two, too"]\n'
    )
    settings = load(tmp_path, E2A_SHARED_DOMAIN="environment.example", E2A_OUTBOUND_SMTP_PORT="")
    assert settings.shared_domain == "environment.example"
    assert (settings.outbound_smtp_port, settings.mcp_legacy_tools) == (465, True)
    assert settings.mcp_allowed_hosts == ("a.example", "b.example")
    assert settings.mcp_attachment_roots == (tmp_path / "one", tmp_path / "two, too")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("shared_domian = 'x'", "did you mean shared_domain"),
        ("= broken", "TOML"),
        ("outbound_smtp_port = 0", "outbound_smtp_port in config.toml"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(SettingsError, match=named):
        load(tmp_path)


def test_every_setting_has_a_name_of_ours_and_a_meaning() -> None:
    for name, meaning in setting_names().items():
        assert name.startswith("E2A_")
        assert meaning.endswith(".")


def test_domains_are_verified_by_asking_the_dns_unless_told_otherwise(tmp_path: Path) -> None:
    environment = {"E2A_HOME": str(tmp_path)}
    assert load_settings(environment).dns_verify
    assert not load_settings({**environment, "E2A_DNS_VERIFY": "off"}).dns_verify
    with pytest.raises(SettingsError, match="E2A_DNS_VERIFY"):
        load_settings({**environment, "E2A_DNS_VERIFY": "sometimes"})


def test_production_takes_no_domain_on_trust(tmp_path: Path) -> None:
    environment = {"E2A_HOME": str(tmp_path), "E2A_ENV": "production", "E2A_HMAC_SECRET": LONG_SECRET}
    assert load_settings(environment).dns_verify
    with pytest.raises(SettingsError, match="E2A_DNS_VERIFY"):
        load_settings({**environment, "E2A_DNS_VERIFY": "off"})


STRONG = "b9c1f0de53a74d1c8e2f6a90374d5b1e"


@pytest.mark.parametrize(
    "secret",
    [
        "change-me-in-production-0000000000000",
        "please-CHANGE-ME-before-you-deploy-this",
        "your-256-bit-secret-your-256-bit-secret",
        "<put a long random secret in this place>",
        "${E2A_HMAC_SECRET_OF_THE_DEPLOYMENT}",
        "{{ secrets.e2a_hmac_secret_of_the_vault }}",
        "a" * 40,
        "password" * 5,
        "P@ssw0rd!" * 4,
        "secretsecretsecretsecretsecret12",
        "abcdefghijklmnopqrstuvwxyz0123456789",
        "0123456789abcdef0123456789abcdef",
        "qwertyuiopasdfghjklzxcvbnm1234567890",
        "deadbeef" * 8,
        "2026-11-28-2026-11-28-2026-11-28",
        "hmac-secret-hmac-secret-hmac-secret!",
        "correct horse battery staple, word for word",
        "The quick brown fox jumps over the lazy dog",
    ],
)
@pytest.mark.parametrize("others", ["", f"{STRONG},"])
def test_production_refuses_a_secret_that_can_be_guessed(tmp_path: Path, secret: str, others: str) -> None:
    environment = {"E2A_ENV": "production", "E2A_PUBLIC_URL": "https://mail.example"}
    with pytest.raises(SettingsError, match="E2A_HMAC_SECRET"):
        load(tmp_path, E2A_HMAC_SECRET=others + secret, **environment)
    assert load(tmp_path, E2A_HMAC_SECRET=others + STRONG, **environment).production


@pytest.mark.parametrize(
    "host", ["smtp.example.org", "mail_relay", "10.0.0.1", "::1", "[2001:db8::1]", " relay "]
)
def test_a_relay_is_named_or_numbered(tmp_path: Path, host: str) -> None:
    named = load(tmp_path, E2A_OUTBOUND_SMTP_HOST=host, E2A_OUTBOUND_SMTP_PORT=" 25 ")
    assert named.outbound_smtp_host == host.strip().strip("[]")
    assert named.outbound_smtp_port == 25


def test_production_refuses_links_without_tls(tmp_path: Path) -> None:
    production = {"E2A_ENV": "production", "E2A_HMAC_SECRET": STRONG}
    for url in ("http://mail.example", "HTTP://mail.example", "http://127.0.0.1:8080"):
        with pytest.raises(SettingsError, match="E2A_PUBLIC_URL must be https"):
            load(tmp_path, E2A_PUBLIC_URL=url, **production)
    assert load(tmp_path, E2A_PUBLIC_URL="http://mail.example").public_url


@pytest.mark.parametrize(
    ("name", "field"),
    [("E2A_API_KEY", "api_key"), ("E2A_HOME", "home"), ("E2A_SHARED_DOMAIN", "shared_domain")],
)
@pytest.mark.parametrize(
    "value",
    [
        "${E2A_API_KEY}",
        "${user_config.api_key}",
        "${input:api-key}",
        "${env:E2A_API_KEY}",
        " ${KEY} ",
        "$E2A_API_KEY",
        "%E2A_API_KEY%",
    ],
)
def test_what_a_host_has_not_expanded_counts_as_unset_with_a_line(
    caplog: pytest.LogCaptureFixture, name: str, field: str, value: str
) -> None:
    assert getattr(load_settings({name: value}), field) == getattr(load_settings({}), field)
    assert f"{name} is still a placeholder" in caplog.text


def test_a_path_with_something_unexpanded_counts_as_unset_and_a_password_does_not(tmp_path: Path) -> None:
    assert load_settings({"E2A_HOME": "${HOME}/mail"}).home == load_settings({}).home
    password = {"E2A_OUTBOUND_SMTP_PASSWORD": "a${b}c$d", "E2A_OUTBOUND_SMTP_HOST": "relay.example"}
    assert load(tmp_path, **password).outbound_smtp_password == "a${b}c$d"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("E2A_SMTP_LISTENER", "did you mean E2A_SMTP_LISTEN?"),
        ("E2A_APIKEY", "did you mean E2A_API_KEY?"),
        ("E2A_XYZZY", "E2A_XYZZY is no setting"),
    ],
)
def test_an_unknown_variable_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, told: str
) -> None:
    load(tmp_path, **{name: "a value that stays secret"})
    assert told in caplog.text
    assert "stays secret" not in caplog.text


SECRETS = {
    "E2A_DATABASE_URL": "database_url",
    "E2A_OUTBOUND_SMTP_PASSWORD": "outbound_smtp_password",
    "E2A_HMAC_SECRET": "hmac_secret",
    "E2A_API_KEY": "api_key",
    "E2A_WEBHOOK_SECRET": "webhook_secret",
    "E2A_OIDC_CLIENT_SECRET": "oidc_client_secret",
}


def test_every_secret_may_be_in_a_file() -> None:
    assert {f"{name}_FILE" for name in SECRETS} == {
        name for name in setting_names() if name.endswith("_FILE")
    } - {"E2A_OUTBOUND_SMTP_CA_FILE"}


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n"])
def test_a_secret_is_read_from_its_file_without_the_newline(tmp_path: Path, name: str, ending: str) -> None:
    (tmp_path / "secret").write_text(f"pa ss#wörd${{x}}{ending}", encoding="utf-8", newline="")
    file = str(tmp_path / "secret")
    read = getattr(load(tmp_path, **{f"{name}_FILE": file, name: ""}), SECRETS[name])
    assert read == "pa ss#wörd${x}"
    (tmp_path / "config.toml").write_text(f'{SECRETS[name]}_file = "{file}"\n')
    assert getattr(load(tmp_path), SECRETS[name]) == read
    assert getattr(load(tmp_path, **{name: "of the environment"}), SECRETS[name]) == "of the environment"


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (None, "a file that can be read: .*No such file"),
        ("folder", "a file that can be read: .*directory"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b" \r\n", "is empty"),
        (b"\xef\xbb\xbf\n", "is empty"),
        (b"\xff\xfe secret", "UTF-8"),
        (b"one-secret\nanother-secret\n", "one line"),
        (b"one-secret\0", "one line"),
        (b"one-secret" * 10_000, "one line"),
    ],
)
@pytest.mark.parametrize("at", ["environment", "config.toml"])
def test_a_file_that_holds_no_secret_is_refused_by_the_name_of_its_setting(
    tmp_path: Path, content: bytes | str | None, wanted: str, at: str
) -> None:
    file = tmp_path / "the-file"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content:
        file.mkdir()
    named = "E2A_HMAC_SECRET_FILE" if at == "environment" else "hmac_secret_file in config.toml"
    given = {"E2A_HMAC_SECRET_FILE": str(file)} if at == "environment" else {}
    if at == "config.toml":
        (tmp_path / "config.toml").write_text(f'hmac_secret_file = "{file}"\n')
    with pytest.raises(SettingsError, match=f"^{named} must name .*{wanted}") as caught:
        load(tmp_path, **given)
    assert "one-secret" not in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_and_its_file_are_not_both_set(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("in the file")
    file = str(tmp_path / "secret")
    with pytest.raises(SettingsError, match=f"{name} and {name}_FILE must not both be set"):
        load(tmp_path, **{name: "in the environment", f"{name}_FILE": file})
    low = SECRETS[name]
    (tmp_path / "config.toml").write_text(f'{low} = "here"\n{low}_file = "{file}"\n')
    with pytest.raises(SettingsError, match=f"{low} and {low}_file must not both be set in config.toml"):
        load(tmp_path)


def test_only_a_secret_may_be_in_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load(tmp_path, E2A_OWNER_EMAIL_FILE="/etc/passwd")
    assert "E2A_OWNER_EMAIL_FILE is no setting" in caplog.text
    assert load(tmp_path, E2A_HMAC_SECRET_FILE="${CREDENTIALS_DIRECTORY}/hmac").hmac_secret == ""
    (tmp_path / "config.toml").write_text('owner_email_file = "/etc/passwd"\n')
    with pytest.raises(SettingsError, match="unknown setting owner_email_file"):
        load(tmp_path)
