"""The envelope of an error response, and what it says of limits."""

from __future__ import annotations

from typing import Annotated, Any

from e2a_core.contract.base import Stated, View

__all__ = [
    "ErrorBody",
    "ErrorEnvelope",
    "LimitExceededDetails",
    "LimitExceededEnvelope",
    "PayloadTooLargeDetails",
    "PayloadTooLargeEnvelope",
    "RateLimitedDetails",
    "RateLimitedEnvelope",
]


class ErrorBody(View):
    """The error itself. Clients branch on `code`; `message` is for people and may change."""

    code: str
    message: str
    details: dict[str, Any] | None = None
    request_id: str


class ErrorEnvelope(View):
    error: ErrorBody


class LimitExceededDetails(View):
    """The plan's limit that was reached: `resource` is a member of the account's usage."""

    resource: str
    limit: int
    current: int
    plan_code: str | None = None


class LimitExceededErrorBody(View):
    code: Annotated[str, Stated(enum=["limit_exceeded"])]
    message: str
    details: LimitExceededDetails
    request_id: str


class LimitExceededEnvelope(View):
    error: LimitExceededErrorBody


class PayloadTooLargeDetails(View):
    """The part of the request that is too large, in octets: composed_message, attachment, attachments_total or
    request_body.
    """

    scope: str
    actual_bytes: Annotated[int, Stated(minimum=0)]
    max_bytes: Annotated[int, Stated(minimum=1)]
    filename: str | None = None


class PayloadTooLargeErrorBody(View):
    code: Annotated[str, Stated(enum=["payload_too_large"])]
    message: str
    details: PayloadTooLargeDetails
    request_id: str


class PayloadTooLargeEnvelope(View):
    error: PayloadTooLargeErrorBody


class RateLimitedDetails(View):
    """How long to wait, as in the Retry-After header."""

    retry_after_seconds: Annotated[int, Stated(minimum=1)]


class RateLimitedErrorBody(View):
    code: Annotated[str, Stated(enum=["rate_limited"])]
    message: str
    details: RateLimitedDetails
    request_id: str


class RateLimitedEnvelope(View):
    error: RateLimitedErrorBody
