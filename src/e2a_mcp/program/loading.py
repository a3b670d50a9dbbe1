"""Loading the modules of a program quickly."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["loading"]


@contextmanager
def loading() -> Iterator[None]:
    """Pauses the garbage collector while modules load, and exempts what they made from collection.

    Classes and functions last as long as the process, and there are so many that looking for garbage among them takes
    a tenth of the start (`python -m bench cold_start`).
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
