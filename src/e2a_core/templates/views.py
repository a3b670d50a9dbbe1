"""The views of templates and starters."""

from __future__ import annotations

from dataclasses import asdict

from e2a_core.clock import from_micros
from e2a_core.contract.templates import (
    StarterTemplateDetailView,
    StarterTemplateVariableView,
    StarterTemplateView,
    TemplateSummaryView,
    TemplateView,
)
from e2a_core.store.statement import Row
from e2a_core.templates.queries import TemplateRow
from e2a_core.templates.starters import STARTER_VERSION, Starter

__all__ = ["starter_detail", "starter_view", "template_summary", "template_view"]


def template_view(row: TemplateRow) -> TemplateView:
    return TemplateView(
        id=row.id,
        name=row.name,
        alias=row.alias,
        subject=row.subject,
        text=row.text,
        html=row.html,
        from_starter_alias=row.from_starter_alias,
        from_starter_version=row.from_starter_version,
        created_at=from_micros(row.created_at),
        updated_at=from_micros(row.updated_at),
    )


def template_summary(row: Row) -> TemplateSummaryView:
    return TemplateSummaryView(
        id=row["id"],
        name=row["name"],
        alias=row["alias"],
        subject=row["subject"],
        created_at=from_micros(row["created_at"]),
        updated_at=from_micros(row["updated_at"]),
    )


def starter_view(starter: Starter) -> StarterTemplateView:
    return StarterTemplateView(
        alias=starter.alias,
        name=starter.name,
        description=starter.description,
        subject=starter.subject,
        version=STARTER_VERSION,
        variables=_variables(starter),
    )


def starter_detail(starter: Starter) -> StarterTemplateDetailView:
    return StarterTemplateDetailView(
        alias=starter.alias,
        name=starter.name,
        description=starter.description,
        subject=starter.subject,
        text=starter.text,
        html=starter.html,
        version=STARTER_VERSION,
        variables=_variables(starter),
    )


def _variables(starter: Starter) -> list[StarterTemplateVariableView]:
    return [StarterTemplateVariableView(**asdict(item)) for item in starter.variables]
