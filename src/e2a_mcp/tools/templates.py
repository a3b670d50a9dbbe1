"""Templates of the account, and the starters to begin from."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from e2a_core.contract.templates import (
    CreateTemplateRequest,
    DeleteTemplateResult,
    StarterTemplateDetailView,
    StarterTemplateView,
    TemplateSummaryView,
    TemplateView,
    UpdateTemplateRequest,
    ValidateTemplateRequest,
    ValidateTemplateResponse,
)
from e2a_mcp.schema import Arguments, object_schema, view_properties
from e2a_mcp.tool import Call, Hints, Reply, Tool
from e2a_mcp.tools.arguments import Confirmed, PageArguments
from e2a_mcp.tools.outputs import listed, listing

__all__ = ["TOOLS"]

Id = Annotated[str, Field(min_length=1)]


class _Source(Arguments):
    name: str | None = None
    alias: str | None = None
    subject: str | None = None
    text: str | None = None
    html: str | None = None


class CreateTemplate(_Source):
    from_starter: Annotated[str, Field(description="copy this starter instead of giving parts")] | None = None


class GetTemplate(Arguments):
    id: Id


class UpdateTemplate(_Source):
    id: Id


class DeleteTemplate(GetTemplate):
    confirm: Confirmed


class ValidateTemplate(Arguments):
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    test_data: dict[str, Any] | None = None


class GetStarter(Arguments):
    alias: Id


def _given(arguments: Arguments, *but: str) -> dict[str, Any]:
    """What was given: an empty text clears, an absent one leaves as is."""
    return arguments.model_dump(exclude={*but}, exclude_unset=True, exclude_none=True)


async def list_templates(call: Call, arguments: PageArguments) -> Reply:
    page = await call.session.templates.list(cursor=arguments.cursor, limit=arguments.limit)
    return listed("templates", page)


async def get_template(call: Call, arguments: GetTemplate) -> Reply:
    return Reply((await call.session.templates.get(arguments.id)).to_wire())


async def create_template(call: Call, arguments: CreateTemplate) -> Reply:
    request = CreateTemplateRequest(**_given(arguments))
    return Reply((await call.session.templates.create(request)).to_wire())


async def update_template(call: Call, arguments: UpdateTemplate) -> Reply:
    request = UpdateTemplateRequest(**_given(arguments, "id"))
    return Reply((await call.session.templates.update(arguments.id, request)).to_wire())


async def delete_template(call: Call, arguments: DeleteTemplate) -> Reply:
    return Reply((await call.session.templates.delete(arguments.id)).to_wire())


async def validate_template(call: Call, arguments: ValidateTemplate) -> Reply:
    request = ValidateTemplateRequest(**_given(arguments))
    return Reply((await call.session.templates.validate(request)).to_wire())


async def list_starter_templates(call: Call, arguments: PageArguments) -> Reply:
    page = await call.session.templates.list_starters(cursor=arguments.cursor, limit=arguments.limit)
    return listed("starter_templates", page)


async def get_starter_template(call: Call, arguments: GetStarter) -> Reply:
    return Reply((await call.session.templates.get_starter(arguments.alias)).to_wire())


_TEMPLATE = object_schema(view_properties(TemplateView), ["id", "name", "subject", "text"])
_STARTER = view_properties(StarterTemplateView)

TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "list_templates",
        "List templates",
        "The account's templates, without their parts.",
        PageArguments,
        listing("templates", object_schema(view_properties(TemplateSummaryView), ["id", "name"])),
        list_templates,
        Hints(read_only=True, idempotent=True),
    ),
    Tool(
        "get_template",
        "Show a template",
        "A template with its parts.",
        GetTemplate,
        _TEMPLATE,
        get_template,
        Hints(read_only=True, idempotent=True),
    ),
    Tool(
        "create_template",
        "Create a template",
        "Keep a template: {{name}} is filled in (escaped in html), {{{name}}} as is; dots go deeper. No loops.",
        CreateTemplate,
        _TEMPLATE,
        create_template,
        Hints(),
    ),
    Tool(
        "update_template",
        "Change a template",
        'Change the parts given; "" clears alias and html.',
        UpdateTemplate,
        _TEMPLATE,
        update_template,
        Hints(idempotent=True),
    ),
    Tool(
        "delete_template",
        "Delete a template",
        "Delete a template for good.",
        DeleteTemplate,
        object_schema(view_properties(DeleteTemplateResult), ["deleted", "id"]),
        delete_template,
        Hints(destructive=True, idempotent=True),
    ),
    Tool(
        "validate_template",
        "Try a template",
        "Check parts without keeping them: errors, a rendering with test_data, suggested_data with every variable.",
        ValidateTemplate,
        object_schema(view_properties(ValidateTemplateResponse), ["valid", "errors"]),
        validate_template,
        Hints(read_only=True, idempotent=True),
    ),
    Tool(
        "list_starter_templates",
        "List starter templates",
        "Ready-made templates and their variables.",
        PageArguments,
        listing("starter_templates", object_schema(_STARTER, ["alias", "name"])),
        list_starter_templates,
        Hints(read_only=True, idempotent=True),
    ),
    Tool(
        "get_starter_template",
        "Show a starter template",
        "A starter with its parts.",
        GetStarter,
        object_schema(view_properties(StarterTemplateDetailView), ["alias", "subject", "text"]),
        get_starter_template,
        Hints(read_only=True, idempotent=True),
    ),
)
