"""Templates, their validation, and starter templates."""

from __future__ import annotations

from typing import Any, Protocol

from e2a_core.contract.base import Page, Request, Timestamp, View
from e2a_core.contract.operation import READS, REPEATS, Confirm, Hints, Tool, operation
from e2a_core.contract.parameters import Cursor, Limit, TemplateId
from e2a_core.errors import (
    AliasTaken,
    InvalidCursor,
    InvalidTemplate,
    NotFound,
    StarterTemplateNotFound,
    TemplateLimitReached,
    TemplateNotFound,
)

__all__ = [
    "Templates",
    "CreateTemplateRequest",
    "DeleteTemplateResult",
    "RenderedTemplateView",
    "StarterTemplateDetailView",
    "StarterTemplateVariableView",
    "StarterTemplateView",
    "TemplatePartError",
    "TemplateSummaryView",
    "TemplateView",
    "UpdateTemplateRequest",
    "ValidateTemplateRequest",
    "ValidateTemplateResponse",
]


class CreateTemplateRequest(Request):
    alias: str | None = None
    from_starter: str | None = None
    html: str | None = None
    name: str | None = None
    subject: str | None = None
    text: str | None = None


class UpdateTemplateRequest(Request):
    alias: str | None = None
    html: str | None = None
    name: str | None = None
    subject: str | None = None
    text: str | None = None


class TemplateSummaryView(View):
    alias: str | None = None
    created_at: Timestamp
    id: str
    name: str
    subject: str
    updated_at: Timestamp


class TemplateView(View):
    alias: str | None = None
    created_at: Timestamp
    from_starter_alias: str | None = None
    from_starter_version: str | None = None
    html: str | None = None
    id: str
    name: str
    subject: str
    text: str
    updated_at: Timestamp


class DeleteTemplateResult(View):
    deleted: bool
    id: str


class ValidateTemplateRequest(Request):
    html: str | None = None
    subject: str | None = None
    test_data: dict[str, Any] | None = None
    text: str | None = None


class TemplatePartError(View):
    message: str
    part: str


class RenderedTemplateView(View):
    html: str | None = None
    subject: str
    text: str


class ValidateTemplateResponse(View):
    errors: list[TemplatePartError]
    rendered: RenderedTemplateView | None = None
    suggested_data: dict[str, Any] | None = None
    valid: bool


class StarterTemplateVariableView(View):
    description: str
    example: str
    name: str
    raw: bool
    required: bool


class StarterTemplateView(View):
    alias: str
    description: str
    name: str
    subject: str
    variables: list[StarterTemplateVariableView]
    version: str


class StarterTemplateDetailView(View):
    alias: str
    description: str
    html: str
    name: str
    subject: str
    text: str
    variables: list[StarterTemplateVariableView]
    version: str


class Templates(Protocol):
    """Templates of the account, and starter templates to copy."""

    @operation(
        "GET",
        "/v1/templates",
        id="list_templates",
        errors=(InvalidCursor,),
        tool=Tool("List templates", "The account's templates, without their parts.", READS),
    )
    async def list(self, *, cursor: Cursor = None, limit: Limit = 100) -> Page[TemplateSummaryView]:
        """List the templates, without their parts."""

    @operation(
        "GET",
        "/v1/templates/{id}",
        id="get_template",
        errors=(NotFound, TemplateNotFound),
        tool=Tool("Show a template", "A template with its parts.", READS),
    )
    async def get(self, template_id: TemplateId) -> TemplateView:
        """Get a template with its parts."""

    @operation(
        "POST",
        "/v1/templates",
        id="create_template",
        answer=201,
        errors=(AliasTaken, InvalidTemplate, StarterTemplateNotFound, TemplateLimitReached),
        tool=Tool(
            "Create a template",
            "Save a template: {{name}} is filled in (escaped in html), {{{name}}} as is; dots go deeper. No loops.",
        ),
    )
    async def create(self, request: CreateTemplateRequest) -> TemplateView:
        """Create a template."""

    @operation(
        "PATCH",
        "/v1/templates/{id}",
        id="update_template",
        errors=(AliasTaken, InvalidTemplate, NotFound, TemplateNotFound),
        tool=Tool("Change a template", 'Change the parts given; "" clears alias and html.', REPEATS),
    )
    async def update(self, template_id: TemplateId, request: UpdateTemplateRequest) -> TemplateView:
        """Change the fields given. An empty string clears `alias` or `html`."""

    @operation(
        "DELETE",
        "/v1/templates/{id}",
        id="delete_template",
        confirm=Confirm.ALWAYS,
        errors=(NotFound, TemplateNotFound),
        tool=Tool(
            "Delete a template", "Delete a template for good.", Hints(destructive=True, idempotent=True)
        ),
    )
    async def delete(self, template_id: TemplateId) -> DeleteTemplateResult:
        """Delete a template for good."""

    @operation(
        "POST",
        "/v1/templates/validate",
        id="validate_template",
        tool=Tool(
            "Try a template",
            "Check parts without saving them: errors, a rendering with test_data, suggested_data with every variable.",
            READS,
        ),
    )
    async def validate(self, request: ValidateTemplateRequest) -> ValidateTemplateResponse:
        """Check the parts of a template without saving them: errors, a rendering with test data, every variable."""

    @operation(
        "GET",
        "/v1/starter-templates",
        id="list_starter_templates",
        errors=(InvalidCursor,),
        tool=Tool("List starter templates", "Ready-made templates and their variables.", READS),
    )
    async def list_starters(self, *, cursor: Cursor = None, limit: Limit = 100) -> Page[StarterTemplateView]:
        """List the starter templates and their variables."""

    @operation(
        "GET",
        "/v1/starter-templates/{alias}",
        id="get_starter_template",
        errors=(StarterTemplateNotFound,),
        tool=Tool("Show a starter template", "A starter with its parts.", READS),
    )
    async def get_starter(self, alias: str) -> StarterTemplateDetailView:
        """Get a starter template with its parts."""
