"""A place in the log that a subscriber keeps: it moves on while nothing happens that the subscriber wants."""

from __future__ import annotations

import pytest

from e2a_core.contract.engine import Session
from tests.engine.mailbox import HELPER, make_helper
from tests.support.home import ASSISTANT, EventLog, Home

pytestmark = [pytest.mark.anyio, pytest.mark.local_only("the log is the deployment's")]

LONGER_THAN_KEPT_DAYS = 31
BRIEF_SECONDS = 0.05


@pytest.mark.parametrize("other", [HELPER, None], ids=["mail of another inbox", "no mail at all"])
async def test_a_quiet_stream_does_not_grow_older_than_events_are_kept(
    home: Home, owner: Session, other: str | None
) -> None:
    await make_helper(owner)
    filters = {"agent_email": ASSISTANT}
    async with EventLog(owner) as everything:
        async with owner.occurrences.follow("email.received", filters) as following:
            began = (await following.page(limit=1, wait_seconds=BRIEF_SECONDS)).cursor
            home.clock.advance(days=LONGER_THAN_KEPT_DAYS)
            if other is not None:
                assert (await home.deliver(to=other)).accepted
                await everything.wait("email.received")
            quiet = await following.page(limit=1, wait_seconds=BRIEF_SECONDS)
            assert (quiet.items, quiet.more) == ((), False)
        async with owner.occurrences.follow("email.received", filters, cursor=began) as late:
            assert late.truncated
        async with owner.occurrences.follow("email.received", filters, cursor=quiet.cursor) as resumed:
            assert not resumed.truncated
            assert (await home.deliver(to=ASSISTANT, subject="at last")).accepted
            [told] = (await resumed.page(limit=9, wait_seconds=20)).items
            assert told.data["subject"] == "at last"
