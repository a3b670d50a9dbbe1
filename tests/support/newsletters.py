"""Newsletters as mail services write them: tables in tables, inline styles, a style sheet, hidden parts."""

from __future__ import annotations

__all__ = ["newsletter"]

_HEAD = (
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" '
    '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n'
    '<html xmlns="http://www.w3.org/1999/xhtml"><head>'
    '<meta http-equiv="Content-Type" content="text/html; charset=UTF-8">'
    "<title>News of the week</title><!--[if mso]><style>td{font-family:Arial!important}</style><![endif]-->"
)
_RESET = (
    "body,table,td,a{-webkit-text-size-adjust:100%;-ms-text-size-adjust:100%}"
    "table,td{mso-table-lspace:0pt;mso-table-rspace:0pt}img{border:0;height:auto;line-height:100%}"
    "#outlook a{padding:0}.ExternalClass,.ExternalClass p{line-height:100%}"
    ".preheader{display:none!important;visibility:hidden;opacity:0;color:transparent;height:0;width:0}"
    "h1,h2,h3{margin:0;color:#202020}p{margin:10px 0}a[x-apple-data-detectors]{color:inherit!important}"
    ".mobile-only{display:none;max-height:0;overflow:hidden}"
)
_TOP = (
    '</head><body style="margin:0;padding:0;background-color:#f6f6f6;" bgcolor="#f6f6f6">'
    '<span class="preheader">The preview of this letter &zwnj;&nbsp;&zwnj;&nbsp;</span>'
    '<center><table border="0" cellpadding="0" cellspacing="0" width="100%" id="bodyTable" '
    'style="border-collapse:collapse;background-color:#f6f6f6;"><tr><td align="center" valign="top">'
    '<table class="container" width="600" cellpadding="0" cellspacing="0" style="width:600px;max-width:600px;">\n'
)
_ARTICLE = (
    '<tr><td class="block s{rule}" valign="top" style="padding:9px 18px;background:#ffffff;">'
    '<table border="0" cellpadding="0" cellspacing="0" width="100%" style="min-width:100%;border-collapse:collapse;">'
    '<tbody class="textBlock"><tr><td valign="top" class="textContent" style="padding:0 18px 9px;color:#{grey}2020;'
    'font-family:Helvetica,Arial,sans-serif;font-size:16px;line-height:150%;text-align:left;">\n'
    '<h2 class="title t{rule}" style="display:block;margin:0;padding:0;font-size:22px;">Story number {number}</h2>'
    '<p style="margin:10px 0;color:#202020;">Here is what happened in week {number}: <strong>three things</strong> '
    "that matter to you &amp; your team, and one that does not. Read on for <em>all of it</em>.</p>"
    '<a class="button" href="https://news.example/r/{number}?utm_source=letter&amp;utm_medium=mail" target="_blank" '
    'style="color:#ffffff;background-color:#2baadf;padding:12px;text-decoration:none;">Read more</a>'
    '<div class="mobile-only">Tap to read story {number}</div></td></tr></tbody></table>'
    '<table align="left" class="image" width="100%"><tr><td class="imageContent" style="padding:0;">'
    '<img align="center" alt="Picture {number}" src="https://img.example/{number}.png" width="564" '
    'style="max-width:1200px;display:inline!important;vertical-align:bottom;"></td></tr></table></td></tr>\n'
)
_FOOT = (
    '<tr><td class="footer" style="color:#656565;font-size:12px;">&copy; News Ltd. '
    '<a href="https://news.example/unsubscribe" style="color:#656565;">Unsubscribe</a></td></tr></table></td></tr>'
    '</table></center><img src="https://t.example/o.gif" width="1" height="1" alt=""></body></html>'
)


def newsletter(size: int, rules: int = 150) -> str:
    """A newsletter of about `size` characters whose style sheet has `rules` rules, half of them for narrow screens."""
    head = f"{_HEAD}<style type='text/css'>{_RESET}{_style_sheet(rules)}</style>{_TOP}"
    articles: list[str] = []
    length = len(head) + len(_FOOT)
    while length < size:
        number = len(articles)
        articles.append(_ARTICLE.format(number=number, rule=number % 20, grey=20 + number % 5))
        length += len(articles[-1])
    return head + "".join(articles) + _FOOT


def _style_sheet(rules: int) -> str:
    wide = "".join(
        f".s{number}{{background-color:#fff;color:#222}}"
        f"#templateBody .t{number} a:link,.textContent .t{number}{{color:#2020{number % 90 + 10};font-size:14px}}"
        f"table td.block p.n{number}{{line-height:125%;color:#333}}"
        for number in range(rules // 6)
    )
    narrow = "".join(
        f".m{number},table[class=m{number}]{{width:100%!important;display:block!important}}"
        for number in range(rules // 2)
    )
    dark = "@media (prefers-color-scheme:dark){body,.block{background:#000!important;color:#fff!important}}"
    return f"{wide}@media only screen and (max-width:480px){{{narrow}}}{dark}"
