"""From a forward path to the agent it reaches."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e2a_core.agents.lookup import lookup_recipient
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.local.agents import Agents
from e2a_core.store.statement import sql
from tests.support.deployment import account, make_agent, register_domain

pytestmark = pytest.mark.anyio

BOT = "bot@agents.localhost"


async def reach(core: Core, address: str) -> tuple[str, str | None] | None:
    found = await lookup_recipient(core, address)
    return None if found is None else (found.agent.email, found.tag)


async def test_case_and_tags_do_not_hide_an_agent(core: Core, owner: Principal) -> None:
    await make_agent(core, owner, BOT)
    assert await reach(core, BOT) == (BOT, None)
    assert await reach(core, "BoT@Agents.LocalHost.") == (BOT, None)
    assert await reach(core, "bot+News@agents.localhost") == (BOT, "news")
    assert await reach(core, "bot+a+b@agents.localhost") == (BOT, "a+b")
    assert await reach(core, "bot+@agents.localhost") == (BOT, "")
    assert await reach(core, "nobody@agents.localhost") is None
    assert await reach(core, "nobody+bot@agents.localhost") is None
    assert await reach(core, "bot@elsewhere.example") is None


async def test_an_address_with_a_plus_goes_before_the_tag(core: Core, owner: Principal) -> None:
    await register_domain(core, owner, "example.com")
    await make_agent(core, owner, "bot@example.com")
    await make_agent(core, owner, "bot+x@example.com")
    assert await reach(core, "Bot+X@example.com") == ("bot+x@example.com", None)
    assert await reach(core, "bot+y@example.com") == ("bot@example.com", "y")


async def test_a_trashed_agent_is_known_as_such(core: Core, owner: Principal) -> None:
    await make_agent(core, owner, BOT)
    await Agents(core, owner).delete(BOT)
    found = await lookup_recipient(core, "bot+x@agents.localhost")
    assert found is not None
    assert found.agent.trashed


async def test_an_agent_under_a_domain_no_longer_proven_is_unknown(core: Core, owner: Principal) -> None:
    await register_domain(core, owner, "example.com")
    await make_agent(core, owner, "bot@example.com")
    await core.db.write([sql("UPDATE domains SET verified_at = NULL WHERE domain = 'example.com'")])
    assert await reach(core, "bot@example.com") is None
    assert await reach(core, "postmaster@example.com") is None


async def test_the_roles_of_a_served_domain_are_there_without_being_made(
    core: Core, owner: Principal
) -> None:
    other = await account(core, "b@example.org")
    await register_domain(core, other, "example.com")
    await register_domain(core, other, "unproven.example", verified=False)
    for domain, account_id in (("example.com", other.account_id), ("agents.localhost", owner.account_id)):
        for role in ("postmaster", "abuse"):
            found = await lookup_recipient(core, f"{role.upper()}+Tag@{domain}.")
            assert found is not None
            assert (found.agent.email, found.tag) == (f"{role}@{domain}", "tag")
            assert found.agent.account_id == account_id
    assert await reach(core, "POSTMASTER") == ("postmaster@agents.localhost", None)
    for address in (
        "postmaster@elsewhere.example",
        "abuse@unproven.example",
        "abuse",
        "hitl-noreply@elsewhere.example",
    ):
        assert await reach(core, address) is None
    assert await core.db.read(sql("SELECT email FROM agents")) == [], "looking up writes nothing"


async def test_the_roles_of_a_subdomain_are_there_with_its_first_inbox(core: Core, owner: Principal) -> None:
    await register_domain(core, owner, "example.com")
    assert await reach(core, "postmaster@sub.example.com") is None
    await core.db.write(
        [
            sql(
                "INSERT INTO agents (email, account_id, domain, registered_domain, created_at) "
                "VALUES ('bot@sub.example.com', :account, 'sub.example.com', 'example.com', 1)",
                account=owner.account_id,
            )
        ]
    )
    assert await reach(core, "postmaster@sub.example.com") == ("postmaster@sub.example.com", None)


async def test_what_is_written_to_the_notice_sender_reaches_nobody_s_inbox(
    core: Core, owner: Principal
) -> None:
    await register_domain(core, owner, "bücher.example".encode("idna").decode())
    for domain in ("agents.localhost", "Bücher.example"):
        for local in ("hitl-noreply", "HITL-NoReply", "hitl-noreply+x", '"hitl-noreply"'):
            found = await lookup_recipient(core, f"{local}@{domain}")
            assert found is not None
            assert found.agent.account_id != owner.account_id


_ANY_TEXT = st.text(st.characters(), max_size=20)


@given(address=st.one_of(_ANY_TEXT, st.builds("{}@{}".format, _ANY_TEXT, _ANY_TEXT)))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_path_is_answered(core: Core, address: str) -> None:
    assert await reach(core, address) is None
