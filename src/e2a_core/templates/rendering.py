"""Rendering the template that a send refers to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from e2a_core.contract.sending import SendEmailRequest
from e2a_core.core import Core
from e2a_core.errors import (
    InvalidRequest,
    InvalidTemplate,
    TemplateNotFound,
    TemplateRenderedEmpty,
    TemplateRenderFailed,
)
from e2a_core.store.statement import first
from e2a_core.templates import queries
from e2a_core.templates.language import RenderError, Template, TemplateSyntaxError, check_data, parse_template
from e2a_core.templates.queries import TemplateRow, template_from
from e2a_core.texts import is_storable, require_storable

__all__ = ["Rendered", "check_reference", "parse_part", "refers_to_template", "render_for_send"]


class Rendered(NamedTuple):
    """The rendered parts of a message; `html` is None if the template has none."""

    subject: str
    text: str
    html: str | None


def refers_to_template(request: SendEmailRequest) -> bool:
    return bool(request.template_id or request.template_alias)


def check_reference(request: SendEmailRequest) -> None:
    """Raises `InvalidRequest` unless the send has either content or one reference to a template."""
    if not refers_to_template(request):
        if request.template_data is not None:
            raise InvalidRequest("needs template_id or template_alias", location="body.template_data")
        return
    if request.template_id and request.template_alias:
        raise InvalidRequest("give template_id or template_alias, not both", location="body.template_alias")
    for part in ("subject", "text", "html"):
        if getattr(request, part):
            raise InvalidRequest("comes from the template; omit it", location=f"body.{part}")


async def render_for_send(core: Core, account_id: str, request: SendEmailRequest) -> Rendered:
    """Renders the template that `request` refers to with the request's data.

    Raises `TemplateNotFound`, `TemplateRenderFailed` or `TemplateRenderedEmpty`.
    """
    row = await _referred(core, account_id, request)
    data = request.template_data or {}
    subject, text = _filled("subject", row.subject, data), _filled("text", row.text, data)
    html = None if row.html is None else _filled("html", row.html, data, html=True)
    for part, source, result in (("subject", row.subject, subject), ("text", row.text, text)):
        if not result.strip():
            raise TemplateRenderedEmpty(part, parse_part(part, source).variables)
    for result in (subject, text, html or ""):
        require_storable(result, "body.template_data")
    return Rendered(subject, text, html)


def parse_part(part: str, source: str) -> Template:
    """Parses the source of a part. Raises `InvalidTemplate`."""
    try:
        return parse_template(source)
    except TemplateSyntaxError as problem:
        raise InvalidTemplate(part, str(problem)) from None


async def _referred(core: Core, account_id: str, request: SendEmailRequest) -> TemplateRow:
    name = request.template_id or request.template_alias or ""
    find = queries.template if request.template_id else queries.template_named
    row = first(await core.db.read(find(account_id, name))) if is_storable(name) else None
    if row is None:
        raise TemplateNotFound("no such template")
    return template_from(row)


def _filled(part: str, source: str, data: Mapping[str, Any], *, html: bool = False) -> str:
    template = parse_part(part, source)
    try:
        check_data(data)
        return template.render(data, html=html)
    except RenderError as problem:
        raise TemplateRenderFailed(part, str(problem)) from None
