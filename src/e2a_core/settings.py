"""All settings: type, default, environment variable and meaning. No other module reads the environment.

A value comes from the environment, or else from `config.toml` in the home (the name in lower case without `E2A_`),
or else from the default; a secret may be in a file instead, which `NAME_FILE` names. An invalid value raises
`SettingsError`, which names the setting and says what would be right.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from e2a_core import setting_kinds as kinds
from e2a_core.contract.limits import MAX_MESSAGE_OCTETS
from e2a_core.errors import SettingsError
from e2a_core.secret_strength import weakness
from e2a_core.setting_kinds import ListenAddress
from e2a_core.setting_sources import FILE, read_config, usable, with_secrets

__all__ = ["ListenAddress", "Settings", "default_home", "load_settings", "setting_names"]

_NOTHING: Mapping[str, str] = MappingProxyType({})

DEFAULT_OWNER = "owner@localhost"


def _setting(
    env: str, parse: Callable[[str], Any], default: Any, meaning: str, *, secret: bool = False
) -> Any:
    metadata = {"env": env, "parse": parse, "meaning": meaning, "secret": secret}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process. Created by `load_settings`."""

    home: Path = field(
        metadata={
            "env": "E2A_HOME",
            "parse": kinds.path,
            "meaning": "Folder of the database, the secrets and the lease.",
            "secret": False,
        }
    )
    env: Literal["development", "production"] = _setting(
        "E2A_ENV",
        kinds.choice("development", "production"),
        "development",
        "`production` refuses weak secrets and requires TLS to the upstream relay.",
    )
    database_url: str = _setting(
        "E2A_DATABASE_URL",
        kinds.text,
        "",
        "`sqlite:///PATH` or `postgresql://...`; empty means `e2a.db` in the home.",
        secret=True,
    )
    migration_mode: Literal["auto", "verify", "skip"] = _setting(
        "E2A_MIGRATION_MODE",
        kinds.choice("auto", "verify", "skip"),
        "auto",
        "`auto` applies migrations at start, `verify` refuses to start when some are pending, `skip` does not check.",
    )
    smtp_listen: ListenAddress = _setting(
        "E2A_SMTP_LISTEN",
        kinds.listen,
        ListenAddress("127.0.0.1", 2525),
        "Address of the SMTP listener; port 0 picks a free one.",
    )
    smtp_domain: str = _setting(
        "E2A_SMTP_DOMAIN",
        kinds.domain,
        "",
        "The relay's host name: greeting, MX target, authserv-id; empty means the shared domain.",
    )
    smtp_tls_cert: Path | None = _setting(
        "E2A_SMTP_TLS_CERT",
        kinds.optional_path,
        None,
        "PEM certificate chain; with the key it enables STARTTLS.",
    )
    smtp_tls_key: Path | None = _setting(
        "E2A_SMTP_TLS_KEY", kinds.optional_path, None, "PEM private key of the certificate."
    )
    smtp_proxy_trusted_cidrs: tuple[str, ...] = _setting(
        "E2A_SMTP_PROXY_TRUSTED_CIDRS", kinds.networks, (), "Peers whose PROXY protocol header is trusted."
    )
    smtp_max_message_bytes: int = _setting(
        "E2A_SMTP_MAX_MESSAGE_BYTES",
        kinds.integer(64 * 1024, 1 << 30),
        MAX_MESSAGE_OCTETS,
        "Largest message accepted over SMTP, in octets.",
    )
    smtp_max_connections: int = _setting(
        "E2A_SMTP_MAX_CONNECTIONS", kinds.integer(1, 100_000), 500, "Concurrent SMTP connections in total."
    )
    smtp_max_connections_per_address: int = _setting(
        "E2A_SMTP_MAX_CONNECTIONS_PER_ADDRESS",
        kinds.integer(1, 100_000),
        50,
        "Concurrent SMTP connections from one address.",
    )
    http_listen: ListenAddress = _setting(
        "E2A_HTTP_LISTEN",
        kinds.listen,
        ListenAddress("127.0.0.1", 8080),
        "Address of the HTTP listener: review links, downloads, `/mcp`; port 0 picks a free one.",
    )
    push_allow_loopback: bool = _setting(
        "E2A_PUSH_ALLOW_LOOPBACK",
        kinds.flag,
        False,
        "Webhooks, event subscriptions and the issuer may be `http://` URLs of this machine; never in production.",
    )
    http_max_connections: int = _setting(
        "E2A_HTTP_MAX_CONNECTIONS", kinds.integer(1, 100_000), 2000, "Concurrent HTTP connections in total."
    )
    http_max_connections_per_address: int = _setting(
        "E2A_HTTP_MAX_CONNECTIONS_PER_ADDRESS",
        kinds.integer(1, 100_000),
        500,
        "Concurrent HTTP connections from one address that is not a trusted proxy.",
    )
    http_trusted_proxies: tuple[str, ...] = _setting(
        "E2A_HTTP_TRUSTED_PROXIES",
        kinds.networks,
        (),
        "Peers whose X-Forwarded-For header is trusted, by address or CIDR range.",
    )
    public_url: str = _setting(
        "E2A_PUBLIC_URL",
        kinds.url,
        "",
        "Base of links in mail and results; empty means the HTTP listener's own URL.",
    )
    shared_domain: str = _setting(
        "E2A_SHARED_DOMAIN",
        kinds.domain,
        "agents.localhost",
        "Domain whose inboxes are created by name alone; another one later gets an inbox of its own.",
    )
    owner_email: str = _setting(
        "E2A_OWNER_EMAIL",
        kinds.email,
        DEFAULT_OWNER,
        "Address of the account that the first start makes; another one later moves the account.",
    )
    owner_addresses: tuple[str, ...] = _setting(
        "E2A_OWNER_ADDRESSES",
        kinds.emails,
        (),
        "Who may instruct an agent by mail: a channel and `ask_owner` hear these alone; empty means the account's.",
    )
    channel_preview: bool = _setting(
        "E2A_CHANNEL_PREVIEW",
        kinds.flag,
        True,
        "Mail about a permission shows the start of the tool's input, which may hold secrets.",
    )
    outbound_smtp_host: str = _setting(
        "E2A_OUTBOUND_SMTP_HOST",
        kinds.host,
        "",
        "Upstream relay; empty means the sandbox, which sends nothing.",
    )
    outbound_smtp_port: int = _setting(
        "E2A_OUTBOUND_SMTP_PORT", kinds.integer(1, 65535), 587, "Upstream port; 465 means implicit TLS."
    )
    outbound_smtp_username: str = _setting(
        "E2A_OUTBOUND_SMTP_USERNAME", kinds.text, "", "Upstream user name; empty means no AUTH."
    )
    outbound_smtp_password: str = _setting(
        "E2A_OUTBOUND_SMTP_PASSWORD", kinds.text, "", "Upstream password.", secret=True
    )
    outbound_smtp_require_tls: bool | None = _setting(
        "E2A_OUTBOUND_SMTP_REQUIRE_TLS",
        kinds.flag,
        None,
        "Refuse an upstream without TLS; the default is on in production.",
    )
    outbound_smtp_ca_file: Path | None = _setting(
        "E2A_OUTBOUND_SMTP_CA_FILE",
        kinds.optional_path,
        None,
        "PEM certificates that the upstream's own must be signed by, instead of the system's.",
    )
    outbound_smtp_from_domain: str = _setting(
        "E2A_OUTBOUND_SMTP_FROM_DOMAIN",
        kinds.domain,
        "",
        "Domain of the relay's own sender addresses; empty means the shared domain.",
    )
    outbound_smtp_verp: Literal["message", "recipient", "off"] = _setting(
        "E2A_OUTBOUND_SMTP_VERP",
        kinds.choice("message", "recipient", "off"),
        "message",
        "Envelope sender of mail to several outside recipients: `message` sends it once, from one for the message; "
        "`recipient` sends each a copy, from one for that recipient; `off` is for a relay that wants a fixed one.",
    )
    dns_server: str = _setting(
        "E2A_DNS_SERVER",
        kinds.dns_server,
        "",
        "DNS server as IP:PORT; empty means the system's resolver.",
    )
    dns_verify: bool = _setting(
        "E2A_DNS_VERIFY",
        kinds.flag,
        True,
        "`off` treats every domain as verified without DNS lookups; refused in production.",
    )
    hmac_secret: str = _setting(
        "E2A_HMAC_SECRET",
        kinds.text,
        "",
        "Deployment secrets, comma-separated: the first signs, all verify; empty means the secret kept in the home.",
        secret=True,
    )
    api_key: str = _setting(
        "E2A_API_KEY", kinds.text, "", "Key of a remote deployment; selects the remote engine.", secret=True
    )
    api_url: str = _setting("E2A_API_URL", kinds.url, "https://api.e2a.dev", "URL of the remote deployment.")
    webhook_secret: str = _setting(
        "E2A_WEBHOOK_SECRET", kinds.text, "", "What `e2a listen --forward` signs events with.", secret=True
    )
    agent_email: str = _setting(
        "E2A_AGENT_EMAIL",
        kinds.optional_email,
        "",
        "The inbox a local session acts as; empty means the default inbox.",
    )
    oidc_issuer: str = _setting(
        "E2A_OIDC_ISSUER",
        kinds.issuer,
        "",
        "Issuer at which people may sign in, exactly as it calls itself, such as `https://accounts.google.com`.",
    )
    oidc_client_id: str = _setting(
        "E2A_OIDC_CLIENT_ID", kinds.text, "", "What the issuer calls this deployment."
    )
    oidc_client_secret: str = _setting(
        "E2A_OIDC_CLIENT_SECRET", kinds.text, "", "Secret of the client; empty for a public one.", secret=True
    )
    oidc_scopes: str = _setting(
        "E2A_OIDC_SCOPES",
        kinds.text,
        "openid email profile",
        "Scopes asked for, separated by spaces; `openid` is always among them.",
    )
    oidc_name: str = _setting(
        "E2A_OIDC_NAME", kinds.text, "", "The issuer's name on the sign-in page; empty means its host."
    )
    oidc_match_email: bool = _setting(
        "E2A_OIDC_MATCH_EMAIL",
        kinds.flag,
        False,
        "A person of the account is known by an address that the issuer has verified; nobody is added.",
    )
    mcp_scope: Literal["", "agent", "account"] = _setting(
        "E2A_MCP_SCOPE",
        kinds.choice("agent", "account"),
        "",
        "Tools of a stdio session: `agent`, or `account` for reviews and administration too; empty means `agent` "
        "locally and the scope of the key remotely.",
    )
    mcp_profile: tuple[str, ...] = _setting(
        "E2A_MCP_PROFILE",
        kinds.choices("inbox", "review", "admin"),
        (),
        "Offer only the tools of these profiles: `inbox`, `review`, `admin`; empty offers all that the scope allows.",
    )
    mcp_legacy_tools: bool = _setting(
        "E2A_MCP_LEGACY_TOOLS",
        kinds.flag,
        False,
        "List the deprecated tool names too; they can be called in any case.",
    )
    mcp_attachment_roots: tuple[Path, ...] = _setting(
        "E2A_MCP_ATTACHMENT_ROOTS",
        kinds.paths,
        (),
        "Folders from which a stdio session may attach files by path; empty allows none.",
    )
    mcp_allowed_hosts: tuple[str, ...] = _setting(
        "E2A_MCP_ALLOWED_HOSTS",
        kinds.comma_list,
        (),
        "Host names accepted besides the listener's own and that of the public URL.",
    )
    mcp_allowed_origins: tuple[str, ...] = _setting(
        "E2A_MCP_ALLOWED_ORIGINS",
        kinds.comma_list,
        (),
        "Browser origins allowed on `/mcp`; empty allows none.",
    )
    mcp_events_dialect: Literal["auto", "openai", "sep"] = _setting(
        "E2A_MCP_EVENTS_DIALECT",
        kinds.choice("auto", "openai", "sep"),
        "auto",
        "Whose numbers the errors of MCP Events have: `openai`, `sep`, or by what the client declares.",
    )
    poll_rate_per_minute: int = _setting(
        "E2A_POLL_RATE_PER_MINUTE",
        kinds.integer(1, 1_000_000),
        240,
        "Reads of messages per account and minute.",
    )
    http_max_in_flight: int = _setting(
        "E2A_HTTP_MAX_IN_FLIGHT",
        kinds.integer(1, 100_000),
        256,
        "HTTP requests served at once; further ones are refused with 503.",
    )
    send_rate_per_minute: int = _setting(
        "E2A_SEND_RATE_PER_MINUTE",
        kinds.integer(0, 100_000),
        60,
        "Sends accepted per agent and minute; 0 sets no limit.",
    )
    max_messages_month: int = _setting(
        "E2A_MAX_MESSAGES_MONTH",
        kinds.integer(0, 1_000_000_000),
        0,
        "Messages an account may send and receive in a calendar month (UTC); 0 sets no limit.",
    )
    max_storage_bytes: int = _setting(
        "E2A_MAX_STORAGE_BYTES",
        kinds.integer(0, 1 << 50),
        0,
        "Octets of mail an account may keep; 0 sets no limit.",
    )
    max_agents: int = _setting(
        "E2A_MAX_AGENTS",
        kinds.integer(0, 1_000_000),
        0,
        "Inboxes an account may have; 0 sets no limit but one million.",
    )
    max_domains: int = _setting(
        "E2A_MAX_DOMAINS",
        kinds.integer(0, 1_000_000),
        0,
        "Domains an account may register; 0 sets no limit but one million.",
    )
    trash_retention_days: int = _setting(
        "E2A_TRASH_RETENTION_DAYS",
        kinds.integer(1, 36_500),
        30,
        "Days a deleted message or agent can be restored.",
    )
    message_retention_days: int = _setting(
        "E2A_MESSAGE_RETENTION_DAYS",
        kinds.integer(0, 36_500),
        0,
        "Days after which the content of messages is deleted, but not their envelopes; 0 keeps it.",
    )
    event_retention_days: int = _setting(
        "E2A_EVENT_RETENTION_DAYS",
        kinds.integer(1, 3650),
        30,
        "Days that events are kept, and can be read again by whoever was away.",
    )
    audit_retention_days: int = _setting(
        "E2A_AUDIT_RETENTION_DAYS",
        kinds.integer(1, 36_500),
        400,
        "Days that the audit log keeps who did what.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "E2A_LOG_LEVEL",
        kinds.choice("debug", "info", "warning", "error"),
        "info",
        "Lowest level that is logged.",
    )

    @property
    def production(self) -> bool:
        return self.env == "production"

    @property
    def effective_database_url(self) -> str:
        return self.database_url or f"sqlite:///{quote((self.home / 'e2a.db').as_posix())}"

    @property
    def hostname(self) -> str:
        """The relay's host name, also the authserv-id of its header fields."""
        return self.smtp_domain or self.shared_domain or "localhost"

    @property
    def from_domain(self) -> str:
        """The domain of the relay's own sender addresses."""
        return self.outbound_smtp_from_domain or self.shared_domain or "localhost"

    @property
    def relay_domains(self) -> tuple[str, ...]:
        """The domains of addresses that agents without a domain of their own share, so that one identifies none."""
        return () if self.from_domain == self.shared_domain else (self.from_domain,)

    @property
    def require_tls(self) -> bool:
        if self.outbound_smtp_require_tls is None:
            return self.production
        return self.outbound_smtp_require_tls

    @property
    def remote(self) -> bool:
        """Whether a remote deployment is the engine."""
        return bool(self.api_key)

    @property
    def sandbox(self) -> bool:
        """Whether mail to external addresses is captured instead of sent."""
        return not self.outbound_smtp_host


def default_home() -> Path:
    """Returns the per-user data folder of this program on this platform."""
    from platformdirs import user_data_path

    return user_data_path("e2a", appauthor=False)


def load_settings(
    environ: Mapping[str, str] | None = None,
    *,
    given: Mapping[str, str] = _NOTHING,
    saved: Callable[[Path, Mapping[str, str]], Mapping[str, str]] = lambda home, environment: _NOTHING,
) -> Settings:
    """Returns the settings from `environ` (default: that of the process) and the home's `config.toml`.

    `given` goes before the environment: the options of a command. `saved` returns what stands between the environment
    and `config.toml`, for the home and what the environment sets. Raises `SettingsError`.
    """
    known = {item.metadata["env"]: item.metadata["secret"] for item in fields(Settings)}
    environment = usable(os.environ if environ is None else environ, known)
    home = kinds.path(environment["E2A_HOME"]) if environment.get("E2A_HOME") else default_home()
    environment = with_secrets(environment, [name for name, secret in known.items() if secret])
    set_there = {name: text for name, text in environment.items() if text}
    environment = {**environment, **saved(home, set_there), **set_there, **given}
    from_file = _config(home / "config.toml", environment)
    values: dict[str, Any] = {"home": home.absolute()}
    for item in fields(Settings):
        if item.name == "home":
            continue
        source = item.metadata["env"]
        text = environment.get(source)
        if text is None or (text == "" and item.default is not MISSING):
            separator = os.pathsep if item.metadata["parse"] is kinds.paths else ","
            text, source = kinds.as_text(from_file.get(item.name), separator), f"{item.name} in config.toml"
        if text is None:
            continue
        try:
            values[item.name] = item.metadata["parse"](text)
        except ValueError as problem:
            raise SettingsError(f"{source} must be {problem}") from None
    settings = Settings(**values)
    _check_together(settings)
    return settings


def _config(path: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """The members of `config.toml`; a file is read for a secret that the environment does not set."""
    known = {item.name: item.metadata["secret"] for item in fields(Settings) if item.name != "home"}
    suffix = FILE.lower()
    document = read_config(path, {*known, *(name + suffix for name, secret in known.items() if secret)})
    secrets = [name for name in known if known[name] and not environment.get(f"E2A_{name.upper()}")]
    return with_secrets(document, secrets, suffix=suffix, where=" in config.toml")


def _check_together(settings: Settings) -> None:
    """Checks rules that span several settings. Production needs DNS verification and strong secrets."""
    if (settings.smtp_tls_cert is None) != (settings.smtp_tls_key is None):
        raise SettingsError("E2A_SMTP_TLS_CERT and E2A_SMTP_TLS_KEY must be set together")
    if settings.outbound_smtp_username and not settings.outbound_smtp_host:
        raise SettingsError("E2A_OUTBOUND_SMTP_USERNAME needs E2A_OUTBOUND_SMTP_HOST")
    if settings.oidc_issuer and not settings.oidc_client_id:
        raise SettingsError("E2A_OIDC_ISSUER needs E2A_OIDC_CLIENT_ID")
    secrets = kinds.comma_list(settings.hmac_secret)
    if settings.hmac_secret and not secrets:
        raise SettingsError("E2A_HMAC_SECRET must hold at least one secret")
    if settings.production:
        if not settings.dns_verify:
            raise SettingsError("E2A_DNS_VERIFY must be on when E2A_ENV is production")
        if not secrets:
            raise SettingsError("E2A_HMAC_SECRET must be set when E2A_ENV is production")
        for secret in secrets:
            if (problem := weakness(secret)) is not None:
                raise SettingsError(f"E2A_HMAC_SECRET {problem}")
        if urlsplit(settings.public_url).scheme == "http":
            raise SettingsError(
                "E2A_PUBLIC_URL must be https:// when E2A_ENV is production: its links decide holds"
            )


def setting_names() -> dict[str, str]:
    """Returns the meaning of every setting by the name of its environment variable, with those that name a file."""
    meanings = {item.metadata["env"]: item.metadata["meaning"] for item in fields(Settings)}
    files = [item.metadata["env"] for item in fields(Settings) if item.metadata["secret"]]
    return meanings | {f"{name}{FILE}": f"File that holds `{name}`." for name in files}
