"""The settings, and where the program acts: on a home, or on another deployment with a key."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from e2a_core.errors import SettingsError
from e2a_core.setting_sources import usable
from e2a_core.settings import Settings
from e2a_mcp.program.doctor.finding import Cause, Finding, fail, passed, skip, warn
from e2a_mcp.program.doctor.wishes import Wishes
from e2a_mcp.program.saved import settings_here

__all__ = ["check_configuration", "check_relay_settings"]

_DEFAULT_API_URL = next(
    item.default for item in Settings.__dataclass_fields__.values() if item.name == "api_url"
)


def check_configuration(
    wishes: Wishes, environ: Mapping[str, str] | None = None
) -> tuple[Settings | None, list[Finding]]:
    """The settings, None if they cannot be used, and what is to say of them."""
    environment = os.environ if environ is None else environ
    with _warnings() as said:
        try:
            settings = settings_here(
                remote=wishes.remote or None, local=wishes.local, environ=environment, mend=False
            )
        except SettingsError as problem:
            fix = "correct it in the environment or in config.toml; docs/settings.md lists all settings"
            return None, [fail("cli.config", "invalid_setting", str(problem), fix)]
    strange = [
        warn("cli.config", "unknown_setting", line, "correct the name, or remove it from the environment")
        for line in said
    ]
    return settings, [_where(settings, wishes, environment), *strange]


def _where(settings: Settings, wishes: Wishes, environment: Mapping[str, str]) -> Finding:
    if settings.remote:
        named = [name for name in ("E2A_API_KEY", "E2A_API_KEY_FILE") if environment.get(name)]
        source = named[0] if named else "config.json, config.toml or the keyring"
        detail = f"acts on another deployment with the key of {source}"
        return passed("cli.config", detail, target=settings.api_url, key_from=source)
    if wishes.remote or (settings.api_url != _DEFAULT_API_URL and not wishes.local):
        fix = "set E2A_API_KEY to a key of that deployment, or use the home with --local"
        return fail(
            "cli.config",
            "no_api_key",
            "a deployment is named, but no key",
            fix,
            cause=Cause.AUTH,
            target=settings.api_url,
        )
    return passed("cli.config", f"{settings.env} on the home {settings.home}", env=settings.env)


def check_relay_settings(settings: Settings) -> Finding:
    """Whether what belongs together is set together. The password is never shown."""
    username, password = settings.outbound_smtp_username, settings.outbound_smtp_password
    evidence: dict[str, Any] = {
        "host": settings.outbound_smtp_host,
        "port": settings.outbound_smtp_port,
        "username": "set" if username else "not set",
        "password": "set" if password else "not set",
    }
    if bool(username) != bool(password):
        missing = "PASSWORD" if username else "USERNAME"
        return warn(
            "smtp.config",
            "smtp_partial",
            f"E2A_OUTBOUND_SMTP_{missing} is not set, but its other half is",
            f"set E2A_OUTBOUND_SMTP_{missing}",
            **evidence,
        )
    if settings.remote and settings.sandbox:
        return skip("smtp.config", "not_visible", "the relay of the deployment cannot be seen from here")
    if settings.sandbox:
        return passed("smtp.config", "sandbox: mail to other hosts is captured and not sent", **evidence)
    return passed(
        "smtp.config",
        f"upstream relay {settings.outbound_smtp_host}:{settings.outbound_smtp_port}",
        **evidence,
    )


class _Keeper(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """What reading the settings warns of, instead of writing it to the log."""
    logger, keeper = logging.getLogger(usable.__module__), _Keeper()
    before = logger.propagate
    logger.addHandler(keeper)
    logger.propagate = False
    try:
        yield keeper.lines
    finally:
        logger.removeHandler(keeper)
        logger.propagate = before
