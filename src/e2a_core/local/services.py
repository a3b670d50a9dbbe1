"""The listeners and workers of a home: run by the one process that holds its lease."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from e2a_core.authentication.evaluate import Authenticator
from e2a_core.contacts.due import CONTACT_DUE_INTERVAL, CONTACT_DUE_JOB, ContactDue
from e2a_core.core import Core
from e2a_core.domains.dkim import SigningKeys
from e2a_core.erasure.job import RETENTION_INTERVAL, RETENTION_JOB, Retention
from e2a_core.errors import SettingsError
from e2a_core.extraction.job import EXTRACTION_JOB, ReadAttachments
from e2a_core.extraction.reindex import REINDEX_JOB, Reindex
from e2a_core.extraction.relist import RELIST_JOB, Relist
from e2a_core.holds.hold import EXPIRY_JOB, NOTICE_JOB
from e2a_core.local.run_file import remove_run_file, write_run_file
from e2a_core.observer import Observer, Unobserved
from e2a_core.push.fanout import Distributor, Fanout
from e2a_core.push.post import Poster
from e2a_core.reviews.expiry import HoldExpiry
from e2a_core.reviews.notice import HoldNotice
from e2a_core.settings import ListenAddress, Settings
from e2a_core.smtpserver.deliver import Delivery
from e2a_core.smtpserver.limits import IntakeLimits
from e2a_core.smtpserver.listener import SmtpListener
from e2a_core.smtpserver.loopback import LoopbackTransport
from e2a_core.smtpserver.proxy import TrustedProxies
from e2a_core.smtpserver.receive import SmtpReceiver
from e2a_core.store.event_feed import EventFeed
from e2a_core.store.job_runner import JobRunner
from e2a_core.submission.invitation_mail import INVITATION_MAIL_JOB, InvitationMail
from e2a_core.submission.owner_mail import OwnerMail
from e2a_core.submission.queue import SUBMIT_JOB
from e2a_core.submission.sign_in_mail import SIGN_IN_MAIL_JOB, SignInMail
from e2a_core.submission.submit import Submission
from e2a_core.submission.transports.base import Transport
from e2a_core.submission.transports.observed import ObservedTransport
from e2a_core.submission.transports.sandbox import SandboxTransport
from e2a_core.subscriptions.deliver import SUBSCRIPTIONS
from e2a_core.subscriptions.deliver import Deliver as DeliverEvents
from e2a_core.subscriptions.distribute import SubscriptionDistributor
from e2a_core.subscriptions.queries import SUBSCRIPTION_JOB
from e2a_core.subscriptions.sweep import SWEEP_INTERVAL, SWEEP_JOB, Sweep
from e2a_core.webhooks.bells import Bells
from e2a_core.webhooks.deliver import ENDPOINTS, Deliver
from e2a_core.webhooks.delivery_queries import WEBHOOK_JOB
from e2a_core.webhooks.distribute import WebhookDistributor
from e2a_core.webhooks.watch import (
    WEBHOOK_NOTICE_JOB,
    WEBHOOK_WATCH_INTERVAL,
    WEBHOOK_WATCH_JOB,
    WebhookNotice,
    WebhookWatch,
)

__all__ = ["HttpServer", "LocalServices"]

Listener = TypeVar("Listener")

SUBMITTERS = 8
"""Submissions under way at once; each mostly waits for the relay."""

_log = logging.getLogger(__name__)


class HttpServer(Protocol):
    """The HTTP listener, as far as it matters here: this room knows nothing of HTTP."""

    @property
    def url(self) -> str:
        """`http://HOST:PORT` with the port that was bound."""

    async def start(self) -> None:
        """Raises OSError when the address is taken."""

    async def stop(self, grace_seconds: float) -> None:
        """Takes no more requests, and gives those under way this long."""


class LocalServices:
    """SMTP intake, the job workers and the HTTP listener of one home; `http` makes the listener of an address.

    `strict` makes a listener's address that is taken an error; without it another port is taken, since a desktop
    session must not fail because something else uses a common port.
    """

    def __init__(
        self,
        core: Core,
        *,
        strict: bool,
        feed: EventFeed,
        http: Callable[[ListenAddress], HttpServer] | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._core = core
        self._feed = feed
        self._make_http = http
        self._strict = strict
        self._observer = observer or Unobserved()
        self._upstream = self._observed(_upstream(core))
        self._smtp: SmtpListener | None = None
        self._http: HttpServer | None = None
        self._jobs: JobRunner | None = None
        self._bells = Bells()
        channels: list[Distributor] = [WebhookDistributor(core, self._bells), SubscriptionDistributor(core)]
        self._fanout = Fanout(core, feed, channels)

    @property
    def smtp(self) -> SmtpListener | None:
        return self._smtp

    async def start(self) -> None:
        """Open the listeners, start the workers, and write down where they are."""
        core = self._core
        delivery = Delivery(core)
        self._jobs = self._make_jobs(delivery)
        try:
            self._smtp = await self._open_smtp(delivery)
            self._http = await self._open_http()
            if not core.settings.public_url:
                core.links.base_url = self._http.url if self._http else core.links.base_url
            # Whoever leads a home on SQLite holds its lease, and with it all of the queue.
            await self._jobs.start(alone=core.db.dialect == "sqlite")
            self._fanout.start()
            write_run_file(core.settings.home, self._addresses())
        except BaseException:
            await self.stop(0)
            raise

    async def stop(self, grace_seconds: float) -> None:
        """Close the doors first, then let what is inside finish."""
        if self._smtp is not None:
            await self._smtp.stop(grace_seconds)
        if self._http is not None:
            await self._http.stop(grace_seconds)
        await self._fanout.stop()
        if self._jobs is not None:
            await self._jobs.stop(grace_seconds)
        await self._upstream.aclose()
        remove_run_file(self._core.settings.home)

    def _make_jobs(self, delivery: Delivery) -> JobRunner:
        core = self._core
        keys = SigningKeys(core)
        loopback = self._observed(LoopbackTransport(core, delivery))
        owner_mail = OwnerMail(core, self._upstream, keys)
        submission = Submission(core, loopback, self._upstream, keys)
        jobs = JobRunner(
            core.db,
            {
                SUBMIT_JOB: submission,
                EXPIRY_JOB: HoldExpiry(core),
                RETENTION_JOB: Retention(core),
                NOTICE_JOB: HoldNotice(core, owner_mail),
                EXTRACTION_JOB: ReadAttachments(core),
                WEBHOOK_JOB: Deliver(core, Poster(core), self._observer, self._bells),
                SUBSCRIPTION_JOB: DeliverEvents(core, self._feed, self._observer),
                SWEEP_JOB: Sweep(core),
                WEBHOOK_WATCH_JOB: WebhookWatch(core),
                WEBHOOK_NOTICE_JOB: WebhookNotice(core, owner_mail),
                SIGN_IN_MAIL_JOB: SignInMail(core, owner_mail),
                INVITATION_MAIL_JOB: InvitationMail(core, owner_mail),
                RELIST_JOB: Relist(core),
                REINDEX_JOB: Reindex(core),
                CONTACT_DUE_JOB: ContactDue(core),
            },
            clock=core.clock,
            ids=core.ids,
            concurrency={
                SUBMIT_JOB: SUBMITTERS,
                NOTICE_JOB: 1,
                RETENTION_JOB: 1,
                EXTRACTION_JOB: 1,
                WEBHOOK_JOB: ENDPOINTS,
                SUBSCRIPTION_JOB: SUBSCRIPTIONS,
                RELIST_JOB: 1,
                REINDEX_JOB: 1,
                CONTACT_DUE_JOB: 1,
            },
        )
        jobs.schedule_every(RETENTION_JOB, RETENTION_INTERVAL)
        jobs.schedule_every(WEBHOOK_WATCH_JOB, WEBHOOK_WATCH_INTERVAL)
        jobs.schedule_every(SWEEP_JOB, SWEEP_INTERVAL)
        jobs.schedule_every(CONTACT_DUE_JOB, CONTACT_DUE_INTERVAL)
        return jobs

    def _observed(self, transport: Transport) -> Transport:
        return ObservedTransport(transport, self._observer, self._core.clock)

    def _addresses(self) -> dict[str, object]:
        smtp = self._smtp.addresses[0] if self._smtp else None
        found: dict[str, object] = {"pid": os.getpid()}
        if smtp is not None:
            found["smtp"] = str(ListenAddress(*smtp))
        if self._http is not None:
            found["http"] = self._http.url
            found["mcp"] = f"{self._http.url}/mcp"
        return found

    async def _open_smtp(self, delivery: Delivery) -> SmtpListener:
        settings = self._core.settings
        authenticator = Authenticator(
            self._core.resolver(), self._core.clock, settings.hostname, offload=self._core.offload
        )
        receiver = SmtpReceiver(self._core, authenticator, delivery)
        limits = IntakeLimits(
            message_octets=settings.smtp_max_message_bytes,
            connections=settings.smtp_max_connections,
            connections_per_address=settings.smtp_max_connections_per_address,
        )

        async def open_at(address: ListenAddress) -> SmtpListener:
            listener = SmtpListener(
                receiver,
                hostname=settings.hostname,
                host=address.host,
                port=address.port,
                limits=limits,
                tls=_tls(self._core),
                proxies=TrustedProxies(settings.smtp_proxy_trusted_cidrs),
            )
            await listener.start()
            return listener

        return await self._opened("E2A_SMTP_LISTEN", settings.smtp_listen, open_at)

    async def _open_http(self) -> HttpServer | None:
        make = self._make_http
        if make is None:
            return None

        async def open_at(address: ListenAddress) -> HttpServer:
            listener = make(address)
            await listener.start()
            return listener

        return await self._opened("E2A_HTTP_LISTEN", self._core.settings.http_listen, open_at)

    async def _opened(
        self, name: str, address: ListenAddress, open_at: Callable[[ListenAddress], Awaitable[Listener]]
    ) -> Listener:
        try:
            return await open_at(address)
        except OSError as problem:
            if self._strict:
                raise SettingsError(
                    f"{name} must be an address that is free, port 0 picks one: {address}: {problem}"
                ) from None
            _log.warning("%s %s is taken, another port is used: see run.json in the home", name, address)
            return await open_at(ListenAddress(address.host, 0))


def _upstream(core: Core) -> Transport:
    settings = core.settings
    if settings.sandbox:
        return SandboxTransport()
    from e2a_core.submission.transports.config import UpstreamConfig
    from e2a_core.submission.transports.upstream import UpstreamTransport

    try:
        return UpstreamTransport(UpstreamConfig.of(settings).with_tls(settings.outbound_smtp_ca_file))
    except (OSError, ssl.SSLError) as problem:
        raise SettingsError(f"E2A_OUTBOUND_SMTP_CA_FILE must be a readable PEM file: {problem}") from None


def _tls(core: Core) -> ssl.SSLContext | None:
    settings = core.settings
    if settings.smtp_tls_cert is None or settings.smtp_tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.smtp_tls_cert, settings.smtp_tls_key)
    except (OSError, ssl.SSLError) as problem:
        raise SettingsError(f"{_unreadable(settings)}: {problem}") from None
    return context


def _unreadable(settings: Settings) -> str:
    """Which file of the pair cannot be opened, since the library does not tell."""
    for name, path in (("CERT", settings.smtp_tls_cert), ("KEY", settings.smtp_tls_key)):
        if path is not None and not os.access(path, os.R_OK):
            return f"E2A_SMTP_TLS_{name} must be a readable PEM file, {path} is not"
    return "E2A_SMTP_TLS_CERT and E2A_SMTP_TLS_KEY must be a PEM pair"
