"""Validating a template source: its errors, its result with test data, and example data."""

from __future__ import annotations

from e2a_core.contract.templates import (
    RenderedTemplateView,
    TemplatePartError,
    ValidateTemplateRequest,
    ValidateTemplateResponse,
)
from e2a_core.templates.language import (
    RenderError,
    Template,
    TemplateSyntaxError,
    check_data,
    parse_template,
    suggested_data,
)

__all__ = ["validate"]


def validate(request: ValidateTemplateRequest) -> ValidateTemplateResponse:
    """Validates the source. Returns errors of the source and its test data in the response instead of raising."""
    parsed: dict[str, Template] = {}
    errors: list[TemplatePartError] = []
    for part in ("subject", "text", "html"):
        try:
            parsed[part] = parse_template(getattr(request, part) or "")
        except TemplateSyntaxError as problem:
            errors.append(TemplatePartError(part=part, message=str(problem)))
    variables = list(dict.fromkeys(name for template in parsed.values() for name in template.variables))
    rendered = None if errors else _rendered(request, parsed, errors)
    return ValidateTemplateResponse(
        valid=not errors,
        errors=errors,
        rendered=rendered,
        suggested_data=suggested_data(variables) if variables else None,
    )


def _rendered(
    request: ValidateTemplateRequest, parsed: dict[str, Template], errors: list[TemplatePartError]
) -> RenderedTemplateView | None:
    data = request.test_data or {}
    results: dict[str, str] = {}
    for part, template in parsed.items():
        try:
            check_data(data)
            results[part] = template.render(data, html=part == "html")
        except RenderError as problem:
            errors.append(TemplatePartError(part=part, message=str(problem)))
    if errors:
        return None
    return RenderedTemplateView(
        subject=results["subject"], text=results["text"], html=results["html"] if request.html else None
    )
