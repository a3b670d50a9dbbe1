"""Each measurement runs to its end at toy size and finds what it looks for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from bench.__main__ import FIGURES
from bench.report import Figure, to_table

from bench import __main__ as bench

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the benchmark looks at processes with ps")


@pytest.mark.slow
@pytest.mark.apart
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_measured(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    bench.main([name, "--quick", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["figures"]
    for figure in report["figures"]:
        assert figure["ours"] > 0
        assert figure["baseline"] is None or figure["baseline"] > 0
        assert figure["bound"] is not None


@pytest.mark.parametrize(
    ("ours", "floor", "ok"),
    [(30, True, True), (24, True, False), (24, False, True), (30, False, False)],
)
def test_a_ratio_is_judged_by_its_bound(ours: float, floor: bool, ok: bool) -> None:
    figure = Figure("mail", "mails/s", ours, 100, 0.25, floor)
    assert figure.ok is ok
    assert f"  {'yes' if ok else 'NO'}" in to_table([figure])


def test_a_size_without_baseline_is_judged_itself() -> None:
    assert Figure("memory", "MiB", 119, bound=120).ok
    assert not Figure("memory", "MiB", 121, bound=120).ok


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    bench.main(["tool_text", "--quick"])
    assert not list(tmp_path.iterdir())
