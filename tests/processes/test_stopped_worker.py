"""A worker that stood still for longer than its lease, while another took its job."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from e2a_core.contract.sending import SendEmailRequest, SendOptions
from e2a_core.core import Core
from e2a_core.domains.dkim import SigningKeys
from e2a_core.smtpserver.deliver import Delivery
from e2a_core.smtpserver.loopback import LoopbackTransport
from e2a_core.store import StaleWrite
from e2a_core.store.jobs import Job, claim
from e2a_core.submission.queue import SUBMIT_JOB
from e2a_core.submission.submit import Submission
from e2a_core.submission.transports.config import UpstreamConfig
from e2a_core.submission.transports.upstream import UpstreamTransport
from tests.processes.serving import ASSISTANT, beside, environment
from tests.support.dns import DnsServer
from tests.support.smtp_sink import SmtpSink

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.apart, pytest.mark.timeout(300)]

LEASE = timedelta(seconds=15)


async def test_it_does_not_send_what_is_another_workers_to_send(tmp_path: Path, dns: DnsServer) -> None:
    async with SmtpSink() as sink, beside(environment(tmp_path / "home", dns)) as engine:
        core = engine.core
        session = await engine.home_session()
        request = SendEmailRequest(to=["bob@example.org"], subject="once", text="Hello.")
        await session.messages.send(ASSISTANT, request, SendOptions())
        now = core.clock.now()
        stopped = await take(core, now, "stopped")
        other = await take(core, now + LEASE, "other")
        assert stopped.id == other.id

        upstream = UpstreamTransport(UpstreamConfig(host=sink.host, port=sink.port, ehlo_name="e2a.example"))
        submission = Submission(core, LoopbackTransport(core, Delivery(core)), upstream, SigningKeys(core))
        with pytest.raises(StaleWrite):
            await submission(stopped)
        assert sink.messages == []
        await submission(other)
        assert len(sink.messages) == 1
        await submission(stopped)
        assert len(sink.messages) == 1
        await upstream.aclose()


async def take(core: Core, now: datetime, lease: str) -> Job:
    [claimed] = await core.db.write([claim(SUBMIT_JOB, limit=1, lease=lease, now=now, duration=LEASE)])
    [row] = claimed.rows
    return Job.from_row(row)
