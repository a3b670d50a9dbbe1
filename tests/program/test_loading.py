"""What loading modules does to the garbage collector."""

from __future__ import annotations

import gc
from importlib import import_module

import pytest

from e2a_mcp.program.loading import loading


def test_nothing_is_collected_while_modules_load_and_what_they_made_stays() -> None:
    before = gc.get_freeze_count()
    with loading():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > before
    gc.unfreeze()


def test_a_module_that_fails_to_load_leaves_the_collector_on() -> None:
    with pytest.raises(ModuleNotFoundError), loading():
        import_module("a_module_that_nobody_wrote")
    assert gc.isenabled()
    gc.unfreeze()
