"""Generated files: what an editor writes parses, means the same but for the change, and goes back to what it was."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from e2a_mcp.program.hosts.edit import (
    Format,
    Text,
    json_format,
    put,
    strict_json_format,
    take_back,
    toml_format,
    yaml_format,
)
from e2a_mcp.program.hosts.install import install, undo
from e2a_mcp.program.hosts.places import Place
from e2a_mcp.program.hosts.problems import HostProblem
from e2a_mcp.program.hosts.table import HOSTS
from tests.hosts.samples import KEYED, LOCAL, User

pytestmark = pytest.mark.slow

MEMBER = {"command": "uvx", "args": ["e2a-mcp==0.1.0"], "env": {"E2A_HOME": "/srv/é \\"}}
PLACE: Place = ("servers", "e2a")
PHASES = [Phase.explicit, Phase.generate, Phase.shrink]
EXAMPLES = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES)

names = st.one_of(
    st.sampled_from(["servers", "a", "b c", "env", 'q"', "e2a2", "ключ", "//", "#"]),
    st.text("ab-_", min_size=1),
).filter(lambda name: name != "e2a")
strings = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12),
    st.sampled_from(["// no comment", "/* nor this", "# nor that", "${A:-}", "a: b", "- x", "{", "}", ","]),
)
scalars = st.one_of(strings, st.integers(-(2**40), 2**40), st.booleans())


def nested(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaf,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
        max_leaves=8,
    )


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """An object that may have our container, in the beginning, the middle or the end."""
    document: dict[str, Any] = draw(st.dictionaries(names, nested(scalars), max_size=4))
    document.pop("servers", None)
    if draw(st.booleans()):
        servers = draw(
            st.dictionaries(names, st.dictionaries(names, nested(scalars), max_size=3), max_size=3)
        )
        pairs = list(document.items())
        pairs.insert(draw(st.integers(0, len(pairs))), ("servers", servers))
        document = dict(pairs)
    return document


gaps = st.sampled_from(["", " ", "\n", "\n  ", "\t", "\n\n    "])
remarks = st.sampled_from(
    ["", "", "", '// c, "x": {\n', "/* b } */", " /* two\nlines */ ", "// }\n", "\n// own line\n"]
)


@st.composite
def json_texts(draw: st.DrawFn, *, relaxed: bool) -> str:
    """A document with white space, and with `relaxed` comments and trailing commas, wherever they may be."""

    def gap() -> str:
        return draw(gaps) + (draw(remarks) if relaxed else "") + draw(gaps)

    def written(value: Any) -> str:
        if isinstance(value, dict):
            parts = [
                f"{gap()}{json.dumps(k, ensure_ascii=False)}{gap()}:{gap()}{written(v)}{gap()}"
                for k, v in value.items()
            ]
            return "{" + joined(parts) + "}"
        if isinstance(value, list):
            return "[" + joined([f"{gap()}{written(each)}{gap()}" for each in value]) + "]"
        return json.dumps(value, ensure_ascii=draw(st.booleans()))

    def joined(parts: list[str]) -> str:
        tail = "," + gap() if relaxed and parts and draw(st.booleans()) else gap() if not parts else ""
        return ",".join(parts) + tail

    if draw(st.booleans()):
        return json.dumps(
            draw(documents()), indent=draw(st.sampled_from([None, 2, 4, "\t"])), ensure_ascii=False
        )
    return gap() + written(draw(documents())) + gap()


@st.composite
def toml_texts(draw: st.DrawFn) -> str:
    """Tables in the forms that TOML has for them: headed, dotted, inline, and out of order."""
    import tomlkit

    end = draw(st.sampled_from(["", "\n", "\n\n", "# end\n", "\n# end"]))
    if draw(st.booleans()):
        return str(tomlkit.dumps(draw(documents()))).rstrip("\n") + "\n" * bool(end) + end
    parts = [
        'top = "x" # c\n',
        draw(
            st.sampled_from(
                [
                    "",
                    "servers = {}\n",
                    'servers = { a = { command = "x" } } # in\n',
                    'servers.a.command = "x"\n',
                ]
            )
        ),
        "\n[other]\n# o\nx = '''\n[servers.e2a]\n'''\n",
    ]
    if not parts[1]:
        shuffled = draw(
            st.permutations(
                [
                    '[servers.a]\ncommand = "x" # why\n\n[servers.a.env]\nK = "v"\n',
                    "[servers.b]\nurl = 'y'\n",
                    "[z]\n  deep.er = [1,\n 2, # two\n ]\n",
                    "[[list]]\nn = 1\n[[list]]\nn = 2\n",
                    "[servers]\nplain.command = 'p'\n",
                ]
            )
        )
        parts += shuffled[: draw(st.integers(0, 5))]
    return "\n".join(parts) + end


@st.composite
def yaml_texts(draw: st.DrawFn) -> str:
    """Block and flow style, comments, anchors, folded texts and empty values."""
    import yaml

    if draw(st.booleans()):
        return str(
            yaml.safe_dump(
                draw(documents()),
                default_flow_style=draw(st.sampled_from([True, False, None])),
                allow_unicode=True,
                indent=draw(st.sampled_from([2, 4])),
                sort_keys=False,
            )
        )
    servers = draw(
        st.sampled_from(
            [
                "",
                "servers:\n",
                "servers: # none yet\n",
                "servers: {}\n",
                "servers: {} # none\n",
                "servers: null\n",
                "servers: ~ # x\n",
                "servers:\n  # first\n  a:\n    cmd: x\n    args: [1,\n      2]\n  b:   # why\n    cmd: 'y'\n",
                "servers:\n    a: {cmd: x}\n",
                "servers: {a: {cmd: x}, b: {}}\n",
                "servers:\n  a: &base\n    cmd: x\n  b:\n    <<: *base\n    args: []\n",
                "servers:\n  a:\n    text: |\n      # no comment\n      e2a:\n",
                '"servers":\n  a: {}\n',
            ]
        )
    )
    before = draw(st.sampled_from(["", "# top\n", "---\n", "x: 1 # one\n\n", "list:\n- a\n- b: c\n"]))
    after = draw(
        st.sampled_from(["", "# end\n", "\n# next\nz: >-\n  long\n  text\n", "last: |\n  text\n", "last: x"])
    )
    return before + servers + after


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other):
        return True
    return bool(one == other)


def check(form: Format, text: str, *, exact: bool, comment: str = "#") -> None:
    before = form.load(text)
    after, change = put(form, text, PLACE, MEMBER)
    now = form.load(after)
    assert now["servers"]["e2a"] == MEMBER
    again, unchanged = put(form, after, PLACE, MEMBER)
    assert unchanged.had
    assert unchanged.before == MEMBER
    assert form.load(again) == now
    back = take_back(form, after, change)
    wanted = dict(before)
    if change.made is None and wanted.get("servers") is None:
        wanted["servers"] = {}
    assert same(form.load(back), wanted)
    if exact:
        assert back == text
    for line in text.splitlines():
        if line.strip().startswith(comment):
            assert line.strip() in after
            assert line.strip() in back


@EXAMPLES
@given(json_texts(relaxed=True))
def test_json_with_comments(text: str) -> None:
    check(json_format(), text, exact=False, comment="//")


@EXAMPLES
@given(json_texts(relaxed=False))
def test_strict_json_stays_strict(text: str) -> None:
    form = strict_json_format()
    check(form, text, exact=False, comment="//")
    after, _ = put(form, text, PLACE, MEMBER)
    assert json.loads(after) == form.load(after)


@EXAMPLES
@given(documents(), st.sampled_from([2, 4, "\t"]))
def test_json_as_programs_write_it_goes_back_to_its_bytes(
    document: dict[str, Any], indent: int | str
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=False) + "\n"
    check(json_format(), text, exact=True)


@EXAMPLES
@given(toml_texts())
def test_toml(text: str) -> None:
    check(toml_format(), text, exact=False)


@EXAMPLES
@given(yaml_texts())
def test_yaml(text: str) -> None:
    check(yaml_format(), text, exact=False)


@EXAMPLES
@given(st.text("ab\n\r,", max_size=40), st.text("ab\n,", max_size=40))
def test_line_ends_are_those_of_the_file(original: str, after: str) -> None:
    text = Text(original)
    encoded = text.encode(after).decode()
    assert encoded.replace("\r\n", "\n") == after.replace("\r\n", "\n")
    assert text.encode(text.plain).decode() == original


@pytest.mark.parametrize(
    ("key", "texts"),
    [
        ("cursor", json_texts(relaxed=True)),
        ("vscode", json_texts(relaxed=True)),
        ("claude-code", json_texts(relaxed=False)),
        ("codex", toml_texts()),
        ("goose", yaml_texts()),
    ],
)
def test_install_and_undo_are_each_others_inverse(key: str, texts: st.SearchStrategy[str]) -> None:
    host = HOSTS[key]
    container = str(host.container[0])

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES)
    @given(texts, st.booleans(), st.sampled_from(["\n", "\r\n"]))
    def inverse(text: str, bom: bool, end: str) -> None:
        content = b"\xef\xbb\xbf" * bom + text.replace("servers", container).replace("\n", end).encode()
        with tempfile.TemporaryDirectory() as folder:
            user = User(Path(folder))
            path = user.file(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            for entry in (LOCAL, KEYED):
                assert install(host, path, entry, user.journal).state == "installed"
                once = path.read_bytes()
                assert install(host, path, entry, user.journal).state == "unchanged"
                assert path.read_bytes() == once
            assert undo(host, path, user.journal).state == "restored"
            assert path.read_bytes() == content

    inverse()


@pytest.mark.parametrize("form", [json_format, strict_json_format, toml_format, yaml_format])
def test_any_text_is_edited_or_refused(form: Callable[[], Format]) -> None:
    @EXAMPLES
    @given(st.text("{}[],:\"/*#\n\\ ae1-=.'&!|>%@`\t", max_size=60))
    def edited_or_refused(text: str) -> None:
        try:
            after, _ = put(form(), text, PLACE, MEMBER)
        except HostProblem:
            return
        assert form().load(after)["servers"]["e2a"] == MEMBER

    edited_or_refused()


@pytest.mark.parametrize(
    ("text", "place", "left"),
    [
        ('\n{"//": 1, "servers": {}}', ("servers",), '\n{"//": 1}'),
        ('{"a": 1, // why\n"servers": {}}', ("servers",), '{"a": 1 // why\n}'),
        ('{"servers": {}, "a": "//"}', ("servers",), '{ "a": "//"}'),
        ('{\n  // mine\n  "servers": {}\n}', ("servers",), "{\n  // mine\n}"),
        ('{\n  "a": 1,\n  // of ours\n  "servers": {}, // too\n  "b": 2\n}', ("servers",), None),
    ],
)
def test_what_stands_around_a_member_that_goes(text: str, place: Place, left: str | None) -> None:
    form = json_format()
    [after] = form.drop(text, place)
    document = form.load(text)
    del document["servers"]
    assert form.load(after) == document
    assert left is None or after == left
