"""SQL over templates."""

from __future__ import annotations

from dataclasses import dataclass

from e2a_core.paging import Position, newest_first
from e2a_core.store.statement import Row, Statement, sql

__all__ = [
    "TemplateRow",
    "claim",
    "count_templates",
    "delete_template",
    "insert_template",
    "template",
    "template_from",
    "template_named",
    "templates",
    "update_template",
]

_COLUMNS = (
    "id, account_id, name, alias, subject, text, html, from_starter_alias, from_starter_version, "
    "created_at, updated_at"
)


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """One template; `alias` and `html` are None if it has none. Instants are in microseconds."""

    id: str
    account_id: str
    name: str
    alias: str | None
    subject: str
    text: str
    html: str | None
    from_starter_alias: str | None
    from_starter_version: str | None
    created_at: int
    updated_at: int


def template_from(row: Row) -> TemplateRow:
    return TemplateRow(
        id=row["id"],
        account_id=row["account_id"],
        name=row["name"],
        alias=row["alias"],
        subject=row["subject"],
        text=row["text"],
        html=row["html"],
        from_starter_alias=row["from_starter_alias"],
        from_starter_version=row["from_starter_version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def claim(account_id: str) -> Statement:
    """Locks the account, so that no other transaction changes its templates."""
    return Statement(
        "SELECT id FROM accounts WHERE id = :account",
        {"account": account_id},
        "SELECT id FROM accounts WHERE id = :account FOR UPDATE",
    )


def template(account_id: str, template_id: str) -> Statement:
    return sql(
        f"SELECT {_COLUMNS} FROM templates WHERE account_id = :account AND id = :id",
        account=account_id,
        id=template_id,
    )


def template_named(account_id: str, alias: str) -> Statement:
    return sql(
        f"SELECT {_COLUMNS} FROM templates WHERE account_id = :account AND alias = :alias",
        account=account_id,
        alias=alias,
    )


def templates(account_id: str, after: Position | None, count: int) -> Statement:
    """The columns that lists show of the account's templates, newest first."""
    text = (
        "SELECT id, name, alias, subject, created_at, updated_at FROM templates WHERE account_id = :account"
    )
    return newest_first(text, {"account": account_id}, after, count)


def count_templates(account_id: str) -> Statement:
    return sql("SELECT COUNT(*) AS templates FROM templates WHERE account_id = :account", account=account_id)


def insert_template(row: TemplateRow) -> Statement:
    return sql(
        f"INSERT INTO templates ({_COLUMNS}) VALUES (:id, :account, :name, :alias, :subject, :text, :html, "
        ":from_starter_alias, :from_starter_version, :created_at, :updated_at)",
        id=row.id,
        account=row.account_id,
        name=row.name,
        alias=row.alias,
        subject=row.subject,
        text=row.text,
        html=row.html,
        from_starter_alias=row.from_starter_alias,
        from_starter_version=row.from_starter_version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def update_template(row: TemplateRow) -> Statement:
    return sql(
        "UPDATE templates SET name = :name, alias = :alias, subject = :subject, text = :text, html = :html, "
        "updated_at = :updated_at WHERE account_id = :account AND id = :id",
        account=row.account_id,
        id=row.id,
        name=row.name,
        alias=row.alias,
        subject=row.subject,
        text=row.text,
        html=row.html,
        updated_at=row.updated_at,
    )


def delete_template(account_id: str, template_id: str) -> Statement:
    return sql(
        "DELETE FROM templates WHERE account_id = :account AND id = :id", account=account_id, id=template_id
    )
