"""Protection configs: what is asked for, what is kept, what is answered."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.agents.lookup import resolve_agent
from e2a_core.contract.principal import Principal
from e2a_core.contract.protection import ProtectionConfig
from e2a_core.core import Core
from e2a_core.errors import Forbidden, InvalidRequest, NotFound
from e2a_core.local.agents import Agents
from e2a_core.local.protection import Protection
from e2a_core.protection.config import config_of, load_config, normalised_config
from tests.support.deployment import account, agent_credential, make_agent

pytestmark = pytest.mark.anyio

BOT = "bot@agents.localhost"
DEFAULTS = {
    "inbound": {"gate": {"policy": "open", "action": "flag"}, "scan": {"sensitivity": "off"}},
    "outbound": {"gate": {"policy": "open", "action": "flag"}, "scan": {"sensitivity": "off"}},
    "holds": {"ttl_seconds": 604_800, "on_expiry": "reject"},
}


def config(**changes: Any) -> ProtectionConfig:
    body: dict[str, Any] = {
        "inbound": {"gate": {}, "scan": {}},
        "outbound": {"gate": {}, "scan": {}},
        "holds": {},
    }
    return ProtectionConfig.model_validate({**body, **changes})


async def test_a_new_agent_has_the_defaults(core: Core, owner: Principal) -> None:
    await make_agent(core, owner, BOT)
    assert (await Protection(core, owner).get(BOT)).to_wire() == DEFAULTS
    assert config_of(await resolve_agent(core, owner, BOT)) == config()


async def test_a_put_replaces_everything(core: Core, owner: Principal) -> None:
    await make_agent(core, owner, BOT)
    protection = Protection(core, owner)
    asked = config(
        inbound={"gate": {"policy": "domain", "allowlist": ["@Example.COM", "bücher.example"]}, "scan": {}},
        outbound={
            "gate": {
                "policy": "allowlist",
                "action": "review",
                "allowlist": ["Ann@Example.org", " ann@example.ORG ", "Bob <bob@example.org>"],
            },
            "scan": {"sensitivity": "high"},
        },
        holds={"ttl_seconds": 60, "on_expiry": "approve", "suppress_notifications": True},
    )
    answer = await protection.put(f" {BOT.upper()}", asked)
    assert answer.to_wire() == {
        "inbound": {
            "gate": {
                "policy": "domain",
                "action": "flag",
                "allowlist": ["example.com", "xn--bcher-kva.example"],
            },
            "scan": {"sensitivity": "off"},
        },
        "outbound": {
            "gate": {
                "policy": "allowlist",
                "action": "review",
                "allowlist": ["ann@example.org", "bob@example.org"],
            },
            "scan": {"sensitivity": "off"},
        },
        "holds": {"ttl_seconds": 60, "on_expiry": "approve", "suppress_notifications": True},
    }
    assert await protection.get(BOT) == answer
    stored = config_of(await resolve_agent(core, owner, BOT))
    assert stored.outbound.gate.allowlist == ["ann@example.org", "bob@example.org"]
    assert (await protection.put(BOT, config())).to_wire() == DEFAULTS


async def test_no_hold_time_is_the_default_one(core: Core, owner: Principal) -> None:
    await make_agent(core, owner, BOT)
    answer = await Protection(core, owner).put(BOT, config(holds={"ttl_seconds": 0}))
    assert answer.holds.ttl_seconds == 604_800


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"holds": {"ttl_seconds": 604_801}}, "body.holds.ttl_seconds"),
        (
            {"inbound": {"gate": {"policy": "domain", "allowlist": ["example.com", "a@b.c"]}, "scan": {}}},
            "body.inbound.gate.allowlist[1]",
        ),
        (
            {"outbound": {"gate": {"policy": "allowlist", "allowlist": ["example.com"]}, "scan": {}}},
            "body.outbound.gate.allowlist[0]",
        ),
        (
            {"outbound": {"gate": {"allowlist": ["not one\x00"]}, "scan": {}}},
            "body.outbound.gate.allowlist[0]",
        ),
    ],
)
async def test_values_that_cannot_be_used_change_nothing(
    core: Core, owner: Principal, changes: dict[str, Any], location: str
) -> None:
    await make_agent(core, owner, BOT)
    with pytest.raises(InvalidRequest) as refusal:
        await Protection(core, owner).put(BOT, config(**changes))
    assert (refusal.value.status, refusal.value.fields[0][0]) == (400, location)
    assert (await Protection(core, owner).get(BOT)).to_wire() == DEFAULTS


async def test_the_guarded_may_not_look_nor_may_strangers(core: Core, owner: Principal) -> None:
    await make_agent(core, owner, BOT)
    guarded = Protection(core, agent_credential(owner, BOT))
    with pytest.raises(Forbidden):
        await guarded.get(BOT)
    with pytest.raises(Forbidden):
        await guarded.put(BOT, config())
    with pytest.raises(NotFound):
        await Protection(core, await account(core, "b@example.org")).get(BOT)
    await Agents(core, owner).delete(BOT)
    with pytest.raises(NotFound):
        await Protection(core, owner).put(BOT, config())


@given(
    entry=st.one_of(st.text(), st.from_regex(r"[^@]{0,5}@[a-z.-]{0,9}", fullmatch=True)),
    policy=st.sampled_from(["open", "allowlist", "domain"]),
)
@settings(max_examples=200, deadline=None)
def test_any_entry_is_kept_in_one_spelling_or_refused(entry: str, policy: str) -> None:
    asked = config(inbound={"gate": {"policy": policy, "allowlist": [entry]}, "scan": {}})
    try:
        kept = normalised_config(asked)
    except InvalidRequest:
        return
    assert normalised_config(kept) == kept
    assert load_config(kept.model_dump_json()) == kept
