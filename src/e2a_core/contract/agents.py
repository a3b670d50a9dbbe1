"""Agents, their protection config and their delegation bindings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, StrictBool, StringConstraints, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from e2a_core.contract.base import Instant, Request, Stated, Timestamp, View

__all__ = [
    "AgentView",
    "CreateAgentRequest",
    "CreateDelegationRequest",
    "DelegationView",
    "DeleteAgentResult",
    "DeleteDelegationResult",
    "ProtectionConfig",
    "ProtectionConfigView",
    "ProtectionDirection",
    "ProtectionGate",
    "ProtectionHolds",
    "ProtectionScan",
    "UpdateAgentRequest",
]

MAX_ALLOWLIST = 1000
DEFAULT_HOLD_TTL = 604_800

Name = Annotated[str, StringConstraints(max_length=200)]
BareAddress = Annotated[str, StringConstraints(max_length=320), Stated(minLength=3, format="email")]


class AgentView(View):
    email: str
    domain: str
    registered_domain: str
    name: str
    domain_verified: bool
    created_at: Timestamp
    deleted_at: Timestamp | None = None


class CreateAgentRequest(Request):
    email: BareAddress
    name: Name | None = None


class UpdateAgentRequest(Request):
    name: Name | None = None


class DeleteAgentResult(View):
    deleted: bool = True
    email: str
    messages_deleted: int


class DeleteDelegationResult(View):
    deleted: bool = True
    id: str


class _Leaves(Request):
    """Members that have defaults, for which null stands too (http-api section 3.3)."""

    @model_validator(mode="before")
    @classmethod
    def _drop_null(cls, given: Any) -> Any:
        return {k: v for k, v in given.items() if v is not None} if isinstance(given, dict) else given

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema)["properties"]
        for name, member in properties.items():
            about = {key: member.pop(key) for key in ("default", "title") if key in member}
            properties[name] = {"anyOf": [member, {"type": "null"}], **about}
        return schema


class ProtectionGate(_Leaves):
    policy: Literal["open", "allowlist", "domain"] = "open"
    allowlist: Annotated[list[str], Field(max_length=MAX_ALLOWLIST)] = []
    action: Literal["flag", "review", "block"] = "flag"


class ProtectionScan(_Leaves):
    sensitivity: Literal["off", "low", "medium", "high"] = "off"


class ProtectionDirection(Request):
    gate: ProtectionGate
    scan: ProtectionScan


class ProtectionHolds(_Leaves):
    ttl_seconds: Annotated[int, Field(ge=0, strict=True)] = DEFAULT_HOLD_TTL
    on_expiry: Literal["approve", "reject"] = "reject"
    suppress_notifications: StrictBool = False


class ProtectionConfig(Request):
    """The whole protection config of one agent; a PUT replaces all of it."""

    inbound: ProtectionDirection
    outbound: ProtectionDirection
    holds: ProtectionHolds


class ProtectionConfigView(View):
    """The config as answered: `inbound`, `outbound`, `holds`, without empty leaves."""

    inbound: dict[str, dict[str, object]]
    outbound: dict[str, dict[str, object]]
    holds: dict[str, object]


class CreateDelegationRequest(Request):
    """Binds a person's address to an agent: mail proven to be from `human` then carries the delegation."""

    human: BareAddress
    valid_from: Instant | None = None
    valid_until: Instant | None = None


class DelegationView(View):
    id: str
    agent_email: str
    human: str
    valid_from: Timestamp
    valid_until: Timestamp | None = None
    created_at: Timestamp
