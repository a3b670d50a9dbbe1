"""Templates, their validation and the starters."""

from __future__ import annotations

from typing import Any

from e2a_core.contract.base import Request, Timestamp, View

__all__ = [
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
