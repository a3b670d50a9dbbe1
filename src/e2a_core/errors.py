"""All errors that a caller can get, as one tree.

    E2AError                     code, status, retryable, details
      Unauthorized               401
      Forbidden                  403  BlockedByPolicy, DomainNotVerified
      InvalidRequest             400 or 422, carries the fields at fault
        InvalidCursor, InvalidFilter, InvalidRecipient, InvalidAttachment, InvalidSlug,
        ReservedDomain, DomainNotRegistered, DomainNotVerifiedYet, TooManyRecipients,
        InvalidScope, InvalidExpiresAt, InvalidDomain, DomainHasAgents, InboundMxMissing,
        InvalidTemplate, TemplateRenderFailed, TemplateRenderedEmpty, TemplateLimitReached,
        InvalidWebhookUrl, WebhookLimitReached
      RecipientSuppressed        422
      IdempotencyKeyReuse        422
      NotFound                   404  AttachmentNotFound, TemplateNotFound, StarterTemplateNotFound,
        ContactNotFound, EngagementNotFound, ImportBatchNotFound, UnknownEvent
      Conflict                   409
        AgentTaken, DomainTaken, AliasTaken, AddressInTrash, MessageHeld, MessageNotPending,
        MessageNotYetDelivered, NotInTrash, SendInProgress, SendingPaused, DraftChanged,
        IdempotencyInFlight, WebhookCooldown, WebhookDisabled
      EventGone                  410
      CallbackFailed             422
      PreconditionFailed         412
      PayloadTooLarge            413  AttachmentTooLarge
      RequestTimeout             408
      UnsupportedMediaType       415
      MethodNotAllowed           405
      LimitExceeded              402
      RateLimited                429
      NotImplementedHere         501
      Unavailable                503  StoreUnavailable, InboundMxCheckFailed
      InternalError              500
        SettingsError                an invalid setting; raised at start, never sent to a client

Clients branch on `code`, `status` and `retryable`. `message` is for people and may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = [
    "AddressInTrash",
    "AgentTaken",
    "AliasTaken",
    "AttachmentNotFound",
    "AttachmentTooLarge",
    "BlockedByPolicy",
    "CallbackFailed",
    "Conflict",
    "ContactNotFound",
    "DomainHasAgents",
    "DomainNotRegistered",
    "DomainNotVerified",
    "DomainNotVerifiedYet",
    "DomainTaken",
    "DraftChanged",
    "E2AError",
    "EngagementNotFound",
    "EventGone",
    "Forbidden",
    "IdempotencyInFlight",
    "IdempotencyKeyReuse",
    "ImportBatchNotFound",
    "InboundMxCheckFailed",
    "InboundMxMissing",
    "InternalError",
    "InvalidAttachment",
    "InvalidCursor",
    "InvalidDomain",
    "InvalidExpiresAt",
    "InvalidFilter",
    "InvalidRecipient",
    "InvalidRequest",
    "InvalidScope",
    "InvalidSlug",
    "InvalidTemplate",
    "InvalidWebhookUrl",
    "LimitExceeded",
    "MessageHeld",
    "MessageNotPending",
    "MessageNotYetDelivered",
    "MethodNotAllowed",
    "NotFound",
    "NotImplementedHere",
    "NotInTrash",
    "PayloadTooLarge",
    "PreconditionFailed",
    "RateLimited",
    "RecipientSuppressed",
    "RequestTimeout",
    "ReservedDomain",
    "SendInProgress",
    "SendingPaused",
    "SettingsError",
    "StarterTemplateNotFound",
    "StoreUnavailable",
    "TemplateLimitReached",
    "TemplateNotFound",
    "TemplateRenderFailed",
    "TemplateRenderedEmpty",
    "TooManyRecipients",
    "Unauthorized",
    "Unavailable",
    "UnknownEvent",
    "UnsupportedMediaType",
    "WebhookCooldown",
    "WebhookDisabled",
    "WebhookLimitReached",
    "all_error_types",
    "error_from_wire",
]


class E2AError(Exception):
    """Base of all errors that a caller can get.

    `details` is the machine-readable part of the error body. It never contains the invalid value.
    """

    code = "internal_error"
    status = 500
    retryable = False

    request_id: str | None = None
    """The request id of another deployment, if the error came from one."""

    def __init__(self, message: str, *, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = dict(details) if details else None

    @property
    def retry_after_seconds(self) -> int | None:
        """Whole seconds after which a retry may succeed, or None if unknown."""
        value = (self.details or {}).get("retry_after_seconds")
        return int(value) if value is not None else None


class Unauthorized(E2AError):
    """The credential is missing, unknown, revoked or expired. Clients cannot tell these cases apart."""

    code, status = "unauthorized", 401

    def __init__(self, message: str = "missing or invalid credential") -> None:
        super().__init__(message)


class Forbidden(E2AError):
    """The credential is valid but does not permit this."""

    code, status = "forbidden", 403


class BlockedByPolicy(Forbidden):
    code = "blocked_by_policy"


class DomainNotVerified(Forbidden):
    code = "domain_not_verified"


class InvalidRequest(E2AError):
    """One or more invalid values. `location` names the value as in the request: `body.to[0]`, `query.limit`.

    `fields` lists several values as (location, message). An empty list leaves out the details.
    """

    code, status = "invalid_request", 400

    def __init__(
        self,
        message: str,
        *,
        location: str = "",
        fields: Iterable[tuple[str, str]] | None = None,
        status: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        entries = list(fields) if fields is not None else [(location, message)]
        merged: dict[str, Any] = dict(details or {})
        if entries and (self.code == "invalid_request" or location or fields is not None):
            merged["fields"] = [{"location": where, "message": what} for where, what in entries]
        super().__init__(message, details=merged)
        if status is not None:
            self.status = status

    @property
    def fields(self) -> list[tuple[str, str]]:
        """(location, message) of each invalid value."""
        return [(item["location"], item["message"]) for item in (self.details or {}).get("fields", [])]


class InvalidCursor(InvalidRequest):
    code = "invalid_cursor"


class InvalidFilter(InvalidRequest):
    """An invalid list filter. `position` is the character of the filter expression, counted from 0."""

    code = "invalid_filter"

    def __init__(self, message: str, *, location: str = "query.filter", position: int | None = None) -> None:
        super().__init__(
            message, location=location, details=None if position is None else {"position": position}
        )
        self.position = position


class InvalidRecipient(InvalidRequest):
    code = "invalid_recipient"


class InvalidAttachment(InvalidRequest):
    code = "invalid_attachment"


class InvalidSlug(InvalidRequest):
    code = "invalid_slug"


class InvalidScope(InvalidRequest):
    code = "invalid_scope"


class InvalidExpiresAt(InvalidRequest):
    code = "invalid_expires_at"


class ReservedDomain(InvalidRequest):
    code = "reserved_domain"


class DomainNotRegistered(InvalidRequest):
    code = "domain_not_registered"


class DomainNotVerifiedYet(InvalidRequest):
    """The domain is registered but not verified. `DomainNotVerified` is the same error while sending."""

    code = "domain_not_verified"


class InvalidDomain(InvalidRequest):
    code = "invalid_domain"


class DomainHasAgents(InvalidRequest):
    """The domain to delete still has agents, including those in the trash."""

    code = "domain_has_agents"


class InboundMxMissing(InvalidRequest):
    """The MX records of the domain of a new agent do not point here."""

    code = "inbound_mx_missing"


class InvalidTemplate(InvalidRequest):
    """A template that does not parse. `part` is subject, text or html."""

    code = "invalid_template"

    def __init__(self, part: str, problem: str) -> None:
        super().__init__(f"{part}: {problem}", details={"part": part, "message": problem})


class TemplateRenderFailed(InvalidRequest):
    """A template that parses but cannot be rendered with the given data."""

    code = "template_render_failed"

    def __init__(self, part: str, problem: str) -> None:
        super().__init__(f"{part}: {problem}", details={"part": part, "message": problem})


class TemplateRenderedEmpty(InvalidRequest):
    """A subject or text that is empty after rendering. `variables` are the variables it refers to."""

    code = "template_rendered_empty"

    def __init__(self, part: str, variables: Sequence[str]) -> None:
        super().__init__(
            f"the {part} of the template is empty with this data",
            details={"part": part, "variables": list(variables)},
        )


class TemplateLimitReached(InvalidRequest):
    code = "template_limit_reached"


class InvalidWebhookUrl(InvalidRequest):
    """The URL of a webhook may not be called."""

    code = "invalid_webhook_url"


class WebhookLimitReached(InvalidRequest):
    code = "webhook_limit_reached"


class TooManyRecipients(InvalidRequest):
    code = "too_many_recipients"

    def __init__(self, provided: int, maximum: int) -> None:
        super().__init__(
            f"a message may have at most {maximum} recipients, this one has {provided}; nothing was sent, "
            "write to fewer or in several messages",
            details={"max_recipients": maximum, "provided": provided},
        )


class RecipientSuppressed(E2AError):
    code, status = "recipient_suppressed", 422


class IdempotencyKeyReuse(E2AError):
    code, status = "idempotency_key_reuse", 422


class NotFound(E2AError):
    """The object does not exist, or the caller may not see it. Clients cannot tell these cases apart."""

    code, status = "not_found", 404


class AttachmentNotFound(NotFound):
    code = "attachment_not_found"


class TemplateNotFound(NotFound):
    """The template that a send refers to does not exist."""

    code = "template_not_found"


class StarterTemplateNotFound(NotFound):
    code = "starter_template_not_found"


class ContactNotFound(NotFound):
    code = "contact_not_found"


class EngagementNotFound(NotFound):
    code = "engagement_not_found"


class UnknownEvent(NotFound):
    """Nobody can subscribe to an event of this name."""

    code = "unknown_event"


class ImportBatchNotFound(NotFound):
    code = "import_batch_not_found"


class Conflict(E2AError):
    """The object is in a state that does not allow this."""

    code, status = "conflict", 409


class AgentTaken(Conflict):
    code = "agent_taken"


class DomainTaken(Conflict):
    """Another account has this domain, a parent domain or a subdomain."""

    code = "domain_taken"


class AliasTaken(Conflict):
    code = "alias_taken"


class AddressInTrash(Conflict):
    code = "address_in_trash"


class MessageHeld(Conflict):
    code = "message_held"


class MessageNotPending(Conflict):
    code = "message_not_pending"


class MessageNotYetDelivered(Conflict):
    code, retryable = "message_not_yet_delivered", True


class NotInTrash(Conflict):
    code = "not_in_trash"


class SendingPaused(Conflict):
    """The account's owner has stopped the sending of the agent, or of all agents of the account."""

    code = "sending_paused"


class SendInProgress(Conflict):
    code, retryable = "send_in_progress", True


class DraftChanged(Conflict):
    """The draft has changed since the reviewer saw it. Read it again before deciding."""

    code = "draft_changed"


class WebhookCooldown(Conflict):
    """A webhook that disabled itself can be enabled again after five minutes."""

    code = "webhook_cooldown"


class WebhookDisabled(Conflict):
    """A disabled webhook is sent nothing, a test either."""

    code = "webhook_disabled"


class IdempotencyInFlight(Conflict):
    code, retryable = "idempotency_in_flight", True


class PreconditionFailed(E2AError):
    """The object has changed since the state named by `If-Match`. Read it again before writing."""

    code, status = "precondition_failed", 412


class EventGone(E2AError):
    """The event is older than the log keeps events."""

    code, status = "gone", 410


class CallbackFailed(E2AError):
    """The callback of a subscription could not be reached, or did not agree to be called.

    `reason` is connection_refused, timeout, tls_error, http_4xx, http_5xx or challenge_failed.
    """

    code, status = "callback_failed", 422

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message, details={"reason": reason})

    @property
    def reason(self) -> str:
        return str((self.details or {}).get("reason", ""))


class PayloadTooLarge(E2AError):
    """A part of a request is too large. `scope` is composed_message, attachment, attachments_total or request_body.

    Sizes are in octets.
    """

    code, status = "payload_too_large", 413

    def __init__(self, scope: str, actual: int, maximum: int, *, filename: str | None = None) -> None:
        details: dict[str, Any] = {"scope": scope, "actual_bytes": actual, "max_bytes": maximum}
        if filename:
            details["filename"] = filename
        super().__init__(f"{scope} is {actual} bytes, the limit is {maximum}", details=details)


class AttachmentTooLarge(E2AError):
    code, status = "attachment_too_large", 413


class RequestTimeout(E2AError):
    """The request body did not arrive in time."""

    code, status, retryable = "error", 408, True


class UnsupportedMediaType(E2AError):
    code, status = "unsupported_media_type", 415


class MethodNotAllowed(E2AError):
    code, status = "method_not_allowed", 405


class LimitExceeded(E2AError):
    """A plan limit is reached. `resource` is agents, domains, messages_month or storage_bytes."""

    code, status = "limit_exceeded", 402

    def __init__(self, resource: str, limit: int, current: int, plan_code: str = "default") -> None:
        super().__init__(
            f"the plan allows {limit} {resource}, {current} are in use",
            details={"resource": resource, "limit": limit, "current": current, "plan_code": plan_code},
        )


class RateLimited(E2AError):
    code, status, retryable = "rate_limited", 429, True

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message, details={"retry_after_seconds": max(1, retry_after_seconds)})


class NotImplementedHere(E2AError):
    """The deployment does not offer this operation."""

    code, status = "not_implemented", 501


class Unavailable(E2AError):
    code, status, retryable = "unavailable", 503, True


class StoreUnavailable(Unavailable):
    """The database did not answer or refused. Nothing was written."""

    code = "store_unavailable"


class InboundMxCheckFailed(Unavailable):
    """The MX lookup for the domain of a new agent failed."""

    code = "inbound_mx_check_failed"


class InternalError(E2AError):
    pass


class SettingsError(Exception):
    """An invalid setting. The message names the setting and says what would be right."""


def all_error_types() -> list[type[E2AError]]:
    """Returns every class of the tree, parents first."""
    found: list[type[E2AError]] = []
    queue: list[type[E2AError]] = [E2AError]
    while queue:
        kind = queue.pop(0)
        found.append(kind)
        queue.extend(kind.__subclasses__())
    return found


def error_from_wire(
    code: str, status: int, message: str, details: Mapping[str, Any] | None = None
) -> E2AError:
    """Returns the error of another deployment: as the class of its code, or else as the class of its status.

    An unknown code keeps its text.
    """
    kinds = [kind for kind in all_error_types() if kind.code == code]
    matching = [kind for kind in kinds if kind.status == status] or kinds
    kind = matching[0] if matching else _kind_of_status(status)
    error = kind.__new__(kind)
    E2AError.__init__(error, message, details=details)
    error.code = code or kind.code
    error.status = status
    error.retryable = kind.retryable or status in {408, 429, 502, 503, 504}
    return error


def _kind_of_status(status: int) -> type[E2AError]:
    by_status = {401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict, 503: Unavailable}
    return by_status.get(status, E2AError)
