"""Templates as one caller may see and change them; the starters; trying a source without keeping it."""

from __future__ import annotations

import re
from dataclasses import replace

from e2a_core.clock import to_micros
from e2a_core.contract.base import Page
from e2a_core.contract.principal import Principal
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
from e2a_core.core import Core
from e2a_core.errors import (
    AliasTaken,
    InvalidRequest,
    NotFound,
    StarterTemplateNotFound,
    TemplateLimitReached,
)
from e2a_core.paging import check_limit, paged, turned
from e2a_core.signing.cursor import decode_cursor
from e2a_core.store.errors import UniqueViolation
from e2a_core.store.statement import Row, first
from e2a_core.templates import queries
from e2a_core.templates.queries import TemplateRow, template_from
from e2a_core.templates.rendering import parse_part
from e2a_core.templates.starters import STARTER_VERSION, Starter, starters
from e2a_core.templates.validation import validate
from e2a_core.templates.views import starter_detail, starter_view, template_summary, template_view
from e2a_core.texts import is_storable, require_storable

__all__ = ["MAX_TEMPLATES", "Templates"]

MAX_TEMPLATES = 10
"""An account has as many as a person keeps in mind; more would be a document store."""
MAX_NAME_BYTES = 200

_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,127}")
_STARTERS_QUERY = {"list": "starter-templates"}


class Templates:
    """`engine.Templates`; for account credentials alone."""

    def __init__(self, core: Core, principal: Principal) -> None:
        self._core = core
        self._principal = principal

    async def list(self, *, cursor: str | None = None, limit: int = 100) -> Page[TemplateSummaryView]:
        self._principal.require_account()
        return await paged(
            self._core,
            lambda after, count: queries.templates(self._principal.account_id, after, count),
            query={"list": "templates"},
            cursor=cursor,
            limit=limit,
            view=template_summary,
        )

    async def get(self, template_id: str) -> TemplateView:
        self._principal.require_account()
        found = queries.template(self._principal.account_id, template_id)
        return template_view(
            _present(first(await self._core.db.read(found)) if is_storable(template_id) else None)
        )

    async def create(self, request: CreateTemplateRequest) -> TemplateView:
        """A template of the caller's own source, or a copy of a starter.

        Raises `StarterTemplateNotFound`, `InvalidTemplate`, `AliasTaken` or `TemplateLimitReached`.
        """
        self._principal.require_account()
        row = self._new(request, _starter_of(request))
        _check(row)
        try:
            async with self._core.db.transaction() as transaction:
                await transaction.read(queries.claim(row.account_id))
                kept = first(await transaction.read(queries.count_templates(row.account_id)))
                if kept is not None and kept["templates"] >= MAX_TEMPLATES:
                    raise TemplateLimitReached(f"an account keeps at most {MAX_TEMPLATES} templates")
                await transaction.write([queries.insert_template(row)])
        except UniqueViolation:
            raise _alias_taken() from None
        return template_view(row)

    async def update(self, template_id: str, request: UpdateTemplateRequest) -> TemplateView:
        """Changes what is given; an empty alias or HTML takes it away. The whole has to be a template after it."""
        self._principal.require_account()
        if not is_storable(template_id):
            raise NotFound("no such template")
        account_id = self._principal.account_id
        try:
            async with self._core.db.transaction() as transaction:
                await transaction.read(queries.claim(account_id))
                row = _changed(
                    _present(first(await transaction.read(queries.template(account_id, template_id)))),
                    request,
                )
                row = replace(row, updated_at=to_micros(self._core.clock.now()))
                _check(row)
                await transaction.write([queries.update_template(row)])
        except UniqueViolation:
            raise _alias_taken() from None
        return template_view(row)

    async def delete(self, template_id: str) -> DeleteTemplateResult:
        self._principal.require_account()
        if not is_storable(template_id):
            raise NotFound("no such template")
        [deleted] = await self._core.db.write(
            [queries.delete_template(self._principal.account_id, template_id)]
        )
        if not deleted.rowcount:
            raise NotFound("no such template")
        return DeleteTemplateResult(deleted=True, id=template_id)

    async def validate(self, request: ValidateTemplateRequest) -> ValidateTemplateResponse:
        self._principal.require_account()
        return validate(request)

    async def list_starters(
        self, *, cursor: str | None = None, limit: int = 100
    ) -> Page[StarterTemplateView]:
        self._principal.require_account()
        check_limit(limit)
        secrets = self._core.secrets
        after = decode_cursor(cursor, _STARTERS_QUERY, secrets)["alias"] if cursor else ""
        rest = [item for alias, item in starters().items() if alias > after]
        page, next_cursor = turned(
            self._core, rest, query=_STARTERS_QUERY, limit=limit, place=lambda item: {"alias": item.alias}
        )
        return Page(items=[starter_view(item) for item in page], next_cursor=next_cursor)

    async def get_starter(self, alias: str) -> StarterTemplateDetailView:
        self._principal.require_account()
        return starter_detail(_starter(alias))

    def _new(self, request: CreateTemplateRequest, starter: Starter | None) -> TemplateRow:
        now = to_micros(self._core.clock.now())
        alias = request.alias if request.alias is not None or starter is None else starter.alias
        return TemplateRow(
            id=self._core.ids.template(),
            account_id=self._principal.account_id,
            name=request.name or (starter.name if starter else ""),
            alias=alias or None,
            subject=starter.subject if starter else request.subject or "",
            text=starter.text if starter else request.text or "",
            html=starter.html if starter else request.html or None,
            from_starter_alias=starter.alias if starter else None,
            from_starter_version=STARTER_VERSION if starter else None,
            created_at=now,
            updated_at=now,
        )


def _starter_of(request: CreateTemplateRequest) -> Starter | None:
    if not request.from_starter:
        return None
    for part in ("subject", "text", "html"):
        if getattr(request, part):
            raise InvalidRequest(
                "comes from the starter; change the copy afterwards", location=f"body.{part}"
            )
    return _starter(request.from_starter)


def _starter(alias: str) -> Starter:
    found = starters().get(alias)
    if found is None:
        raise StarterTemplateNotFound("no such starter template")
    return found


def _changed(row: TemplateRow, request: UpdateTemplateRequest) -> TemplateRow:
    return replace(
        row,
        name=row.name if request.name is None else request.name,
        alias=row.alias if request.alias is None else request.alias or None,
        subject=row.subject if request.subject is None else request.subject,
        text=row.text if request.text is None else request.text,
        html=row.html if request.html is None else request.html or None,
    )


def _check(row: TemplateRow) -> None:
    """Raises `InvalidRequest` or `InvalidTemplate` unless `row` is a whole template."""
    for part in ("name", "alias", "subject", "text", "html"):
        require_storable(getattr(row, part) or "", f"body.{part}")
    if not 1 <= len(row.name.encode()) <= MAX_NAME_BYTES:
        raise InvalidRequest(f"must have 1 to {MAX_NAME_BYTES} bytes", location="body.name")
    if row.alias is not None and not _ALIAS.fullmatch(row.alias):
        raise InvalidRequest(
            "must be a letter and up to 127 letters, digits, dots, underscores or hyphens",
            location="body.alias",
        )
    for part, source in (("subject", row.subject), ("text", row.text)):
        if not source:
            raise InvalidRequest("must not be empty", location=f"body.{part}")
    for part, source in (("subject", row.subject), ("text", row.text), ("html", row.html or "")):
        parse_part(part, source)


def _present(row: Row | None) -> TemplateRow:
    if row is None:
        raise NotFound("no such template")
    return template_from(row)


def _alias_taken() -> AliasTaken:
    return AliasTaken("another template of the account has this alias")
