"""The holder of the deployment's secrets."""

from __future__ import annotations

import pytest

from e2a_core.signing.secrets import Secrets


def test_the_first_signs_and_all_are_kept() -> None:
    secrets = Secrets.parse("new, old,,")
    assert list(secrets) == [b"new", b"old"]
    assert secrets.signing == b"new"


def test_a_secret_is_taken_literally() -> None:
    assert Secrets.parse("00ff") == (b"00ff",)


@pytest.mark.parametrize("text", ["", " ", ",", " , "])
def test_no_secret_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Secrets.parse(text)


def test_a_log_line_does_not_reveal_them() -> None:
    assert "new" not in f"{Secrets.parse('new')!r} {Secrets.parse('new')}"
