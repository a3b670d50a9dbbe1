"""HTML for people, of pages and of mail, from templates that escape every value they are given."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render"]


def render(template: str, **values: object) -> str:
    """The template of that name with `values`; raises `jinja2.UndefinedError` if it needs one that is not there."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    # Most processes never show a page, and the library takes long to load.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(__name__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
