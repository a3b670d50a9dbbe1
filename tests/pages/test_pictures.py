"""The pictures of the documentation, made anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pages.browser import chromium_path
from tests.pages.pictures import FOLDER, SCHEMES, SIZES, draw

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_the_script_draws_every_picture_of_the_documentation(tmp_path: Path) -> None:
    chromium_path()
    drawn = await draw(tmp_path / "images")
    assert len(drawn) % (len(SIZES) * len(SCHEMES)) == 0
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    assert {path.name for path in FOLDER.iterdir()} == {path.name for path in drawn}
