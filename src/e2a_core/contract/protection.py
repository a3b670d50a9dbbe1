"""The protection config of an agent: gates, scans and holds."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Protocol

from pydantic import Field, GetJsonSchemaHandler, StrictBool, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from e2a_core.contract.base import Request, Stated, View
from e2a_core.contract.operation import READS, REPEATS, Tool, operation
from e2a_core.errors import NotFound

__all__ = [
    "Protection",
    "ProtectionConfig",
    "ProtectionConfigView",
    "ProtectionDirection",
    "ProtectionDirectionView",
    "ProtectionGate",
    "ProtectionGateView",
    "ProtectionHolds",
    "ProtectionHoldsView",
    "ProtectionScan",
    "ProtectionScanView",
]

MAX_ALLOWLIST = 1000
DEFAULT_HOLD_TTL = 604_800
"""Seconds: one week."""


class _Leaves(Request):
    """Members that have defaults. An explicit null also selects the default."""

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
    """The whole protection config of one agent. A PUT replaces all of it."""

    inbound: ProtectionDirection
    outbound: ProtectionDirection
    holds: ProtectionHolds


class ProtectionGateView(View):
    policy: str | None = None
    allowlist: Annotated[list[str], Stated(maxItems=MAX_ALLOWLIST)] | None = None
    action: str | None = None


class ProtectionScanView(View):
    sensitivity: str | None = None


class ProtectionDirectionView(View):
    gate: ProtectionGateView
    scan: ProtectionScanView


class ProtectionHoldsView(View):
    ttl_seconds: Annotated[int, Stated(minimum=0)] | None = None
    on_expiry: str | None = None
    suppress_notifications: bool | None = None


class ProtectionConfigView(View):
    """The config as returned, without empty members. New values of its members may come."""

    inbound: ProtectionDirectionView
    outbound: ProtectionDirectionView
    holds: ProtectionHoldsView


class Protection(Protocol):
    """Protection configs of inboxes. Agent credentials cannot read them."""

    @operation(
        "GET",
        "/v1/agents/{email}/protection",
        id="get_agent_protection",
        errors=(NotFound,),
        tool=Tool("Show protection", "Gates, scans and holds of one inbox.", READS, name="get_protection"),
    )
    async def get(self, email: str) -> ProtectionConfigView:
        """Get the gates, scans and holds of an inbox."""

    @operation(
        "PUT",
        "/v1/agents/{email}/protection",
        id="put_agent_protection",
        errors=(NotFound,),
        tool=Tool(
            "Change protection",
            "Change only the fields given. To have a person approve all outgoing mail: outbound_gate_policy allowlist, "
            "empty outbound_gate_allowlist, outbound_gate_action review, holds_on_expiry reject.",
            REPEATS,
            name="update_protection",
        ),
    )
    async def put(self, email: str, config: ProtectionConfig) -> ProtectionConfigView:
        """Replace the whole protection config. The last write wins."""
