"""Which elements of HTML close others, end what is open, or are not shown (HTML section 13.2.4)."""

from __future__ import annotations

__all__ = [
    "CLOSES_P",
    "DROPPED",
    "FORMATTING",
    "HEAD_ONLY",
    "IMPLIED",
    "LEAVES",
    "MARKERS",
    "SCOPE",
    "SPECIAL",
    "TABLE_PARTS",
    "TABLE_SCOPE",
    "VOID",
]

VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)  # fmt: skip
DROPPED = frozenset(
    {"head", "template", "svg", "math", "object", "select", "audio", "video", "canvas", "datalist", "rp"}
)
HEAD_ONLY = frozenset({"base", "basefont", "bgsound", "link", "meta", "script", "style", "template", "title"})
FORMATTING = frozenset(
    {"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"}
)
CLOSES_P = frozenset(
    {
        "address", "article", "aside", "blockquote", "center", "dd", "details", "dialog", "dir", "div", "dl", "dt",
        "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li",
        "main", "menu", "nav", "ol", "p", "pre", "section", "summary", "ul",
    }
)  # fmt: skip
SPECIAL = CLOSES_P | {
    "body", "button", "caption", "html", "marquee", "object", "table", "tbody", "td", "template", "tfoot", "th",
    "thead", "tr",
}  # fmt: skip
SCOPE = frozenset({"caption", "html", "marquee", "object", "table", "td", "template", "th"})
"""An end tag does not close an element outside these (HTML section 13.2.4.2)."""
MARKERS = frozenset({"caption", "marquee", "object", "td", "template", "th"})
"""Formatting opened in these ends with them."""
TABLE_PARTS = frozenset({"caption", "tbody", "td", "tfoot", "th", "thead", "tr"})
IMPLIED: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "li": (frozenset({"li"}), frozenset({"ul", "ol", "menu"})),
    "dd": (frozenset({"dd", "dt"}), frozenset({"dl"})),
    "dt": (frozenset({"dd", "dt"}), frozenset({"dl"})),
    "td": (frozenset({"td", "th"}), frozenset({"table", "tr"})),
    "th": (frozenset({"td", "th"}), frozenset({"table", "tr"})),
    "tr": (frozenset({"td", "th", "tr", "caption"}), frozenset({"table"})),
    "tbody": (frozenset({"td", "th", "tr", "tbody", "thead", "tfoot", "caption"}), frozenset({"table"})),
    "thead": (frozenset({"td", "th", "tr", "tbody", "thead", "tfoot", "caption"}), frozenset({"table"})),
    "tfoot": (frozenset({"td", "th", "tr", "tbody", "thead", "tfoot", "caption"}), frozenset({"table"})),
}
"""What a tag closes before it opens, and where the search for it ends."""
TABLE_SCOPE = frozenset({"table", "template"})
LEAVES = SPECIAL | IMPLIED.keys() | {"a"}
"""Tags that may close others before they open."""
