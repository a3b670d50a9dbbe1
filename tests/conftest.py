"""What every test may use: real databases, a deployment's parts over them, DNS for correspondents, and one PostgreSQL
for the whole run.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.databases import (
    KEEPER,
    database,
    database_kind,
    database_url,
    empty_database_url,
    postgresql_server,
)
from tests.support.deployment import clock, core, owner
from tests.support.dns import DnsServer
from tests.support.home import Keys, correspondents
from tests.support.postgresql import PostgresqlKeeper

__all__ = [
    "clock",
    "core",
    "database",
    "database_kind",
    "database_url",
    "empty_database_url",
    "owner",
    "postgresql_server",
]

MOST_WORKERS = 8
"""More would have more connections open than PostgreSQL takes."""

WORKERS_FOR_TWO_CORES = 3
"""Tests wait nearly half of their time: for programs, timeouts and the database."""

_KEEPER = pytest.StashKey[PostgresqlKeeper]()


def pytest_configure(config: pytest.Config) -> None:
    """The process that starts the run keeps the server; workers are told where it is."""
    # Workers and the programs that tests start would compile each module anew.
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # A run in the background of a script is born ignoring it, and so would be the programs that tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Nobody on loopback is certified by a public authority, and loading their list takes 40 ms for each HTTP client.
    os.environ.pop("SSL_CERT_FILE", None)
    os.environ["SSL_CERT_DIR"] = os.devnull
    handed = getattr(config, "workerinput", None)
    if handed is not None:
        config.stash[KEEPER] = handed["postgresql"]
        return
    keeper = config.stash[_KEEPER] = PostgresqlKeeper()
    config.stash[KEEPER] = keeper.path
    config.add_cleanup(keeper.stop)


def pytest_configure_node(node: Any) -> None:
    node.workerinput["postgresql"] = node.config.stash[KEEPER]


LONG = frozenset(
    {
        "audit/test_chain.py",
        "client/test_logs.py",
        "client/test_manners.py",
        "client/test_operations.py",
        "contract/test_roles.py",
        "docs/test_distribution.py",
        "docs/test_reference.py",
        "documents/test_reader.py",
        "domains/test_service.py",
        "engine/test_answering.py",
        "engine/test_attachment_text.py",
        "engine/test_bounces.py",
        "engine/test_contact_due.py",
        "engine/test_event_subscriptions.py",
        "engine/test_forwarding.py",
        "engine/test_held_when_leaving.py",
        "engine/test_leaving.py",
        "engine/test_loop_lag.py",
        "engine/test_message_return_paths.py",
        "engine/test_notice.py",
        "engine/test_protection.py",
        "engine/test_receiving.py",
        "engine/test_relaying.py",
        "engine/test_reports.py",
        "engine/test_return_paths.py",
        "engine/test_reviews.py",
        "engine/test_scheduling.py",
        "engine/test_sending.py",
        "engine/test_threading.py",
        "engine/test_webhook_delivery.py",
        "engine/test_webhook_watch.py",
        "engine/test_webhooks.py",
        "habits/test_github.py",
        "hosts/test_bundle.py",
        "hosts/test_install.py",
        "hosts/test_shown.py",
        "http/test_audit.py",
        "http/test_authorisation.py",
        "http/test_bad_input.py",
        "http/test_document.py",
        "http/test_doorbell.py",
        "http/test_feedback.py",
        "http/test_front_door.py",
        "http/test_links.py",
        "http/test_unsubscribe.py",
        "http/test_websocket.py",
        "local/test_home.py",
        "mail/test_html.py",
        "mail/test_html_hidden.py",
        "mail/test_parse.py",
        "mcp/test_account_tools.py",
        "mcp/test_administration.py",
        "mcp/test_ask_owner.py",
        "mcp/test_attachment_text.py",
        "mcp/test_catalogue.py",
        "mcp/test_errors.py",
        "mcp/test_event_callbacks.py",
        "mcp/test_event_streams.py",
        "mcp/test_events.py",
        "mcp/test_events_elsewhere.py",
        "mcp/test_finding.py",
        "mcp/test_handshakes.py",
        "mcp/test_hostile_mail.py",
        "mcp/test_http.py",
        "mcp/test_main.py",
        "mcp/test_messages.py",
        "mcp/test_nothing_lost.py",
        "mcp/test_sending.py",
        "mcp/test_sessions.py",
        "mcp/test_stdio.py",
        "mcp/test_streams.py",
        "mcp/test_subscriptions.py",
        "mcp/test_told.py",
        "mcp/test_waiting.py",
        "pages/test_command_line.py",
        "pages/test_control.py",
        "pages/test_home.py",
        "pages/test_mail.py",
        "pages/test_passkeys.py",
        "pages/test_reviews.py",
        "pages/test_settings_people.py",
        "pages/test_sign_in.py",
        "pages/test_sign_in_mail.py",
        "processes/test_event_callbacks.py",
        "program/doctor/test_connections.py",
        "program/doctor/test_records.py",
        "program/doctor/test_remote.py",
        "program/test_logged.py",
        "program/test_main.py",
        "program/test_metrics.py",
        "push/test_post.py",
        "remote/test_client.py",
        "remote/test_following.py",
        "remote/test_older.py",
        "smtpserver/test_connection.py",
        "store/test_jobs.py",
        "submission/test_sizes.py",
        "submission/test_transports.py",
    }
)
"""Modules that start programs for each test, or try each route, tool or argument: most of the time of a whole run."""


APART = frozenset(
    {
        "bench/test_figures.py",
        "docs/test_examples.py",
        "docs/test_self_hosting.py",
        "docs/test_snippets.py",
        "hosts/test_command.py",
        "hosts/test_editing.py",
        "hosts/test_guides.py",
        "http/test_safe_methods.py",
        "http/test_schemathesis.py",
        "mcp/test_channel.py",
        "mcp/test_every_argument.py",
        "mcp/test_older_deployment.py",
        "mcp/test_relay.py",
        "mcp/test_remote.py",
        "mcp/test_typescript.py",
        "pages/test_at_issuer.py",
        "pages/test_at_issuer_browser.py",
        "pages/test_browser.py",
        "pages/test_browser_mail.py",
        "pages/test_every_page.py",
        "pages/test_hostile.py",
        "pages/test_passkeys_browser.py",
        "pages/test_pictures.py",
        "program/doctor/test_home.py",
        "program/test_backup.py",
        "program/test_commands.py",
        "program/test_config.py",
        "program/test_demo.py",
        "program/test_listen.py",
        "program/test_listen_responses.py",
        "program/test_logging.py",
    }
)
"""Modules that start many programs or a browser, or try each tool with each argument: CI runs them after the others."""

WHOLE = ("client", "engine", "http", "mcp", "pages")
"""Folders that try a whole deployment. What depends on the database is tried over both in the others."""


def pytest_xdist_auto_num_workers() -> int:
    return min((os.cpu_count() or 1) * WORKERS_FOR_TWO_CORES // 2, MOST_WORKERS)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is behind the API knows two databases; what is before it knows none, and is tried over one.

    The second time a test runs, over PostgreSQL or through the API, is `slow`, and so are the modules of `LONG`.
    Fuzzing, the modules of `APART` and the second time of a whole deployment are `apart`, and with that `slow`.
    The longest modules come first, so that no worker ends long after the others.
    """
    twice = {item for item in items if {"remote", "postgresql"} <= _subjects(item)}
    config.hook.pytest_deselected(items=list(twice))
    items[:] = [item for item in items if item not in twice]
    items.sort(key=lambda item: (_module(item) not in APART, _module(item) not in LONG))
    for item in items:
        again = _subjects(item) & {"remote", "postgresql"} and not item.get_closest_marker("remote_only")
        fuzzing = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        module = _module(item)
        apart = fuzzing or module in APART or (again and module.startswith(WHOLE))
        if again or apart or module in LONG:
            item.add_marker(pytest.mark.slow)
        if apart:
            item.add_marker(pytest.mark.apart)


def _module(item: pytest.Item) -> str:
    return item.path.relative_to(item.config.rootpath / "tests").as_posix()


def _subjects(item: pytest.Item) -> set[object]:
    """What a test is run over, where it is run over several."""
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return set()
    names = ("engine", "database_kind", "served", "relay", "owned", "shared_home", "home")
    return {item.callspec.params.get(name) for name in names}


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys.make()


@pytest.fixture(scope="session")
def dns(keys: Keys) -> Iterator[DnsServer]:
    with DnsServer(correspondents(keys)) as server:
        yield server


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
