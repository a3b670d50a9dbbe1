"""Scales a picture to what a model takes. Runs in the worker process alone."""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps

from e2a_core.documents.document import Outcome, Picture

__all__ = ["MAX_SIDE", "scaled"]

MAX_SIDE = 1568
"""Pixels of the longer side: models scale larger pictures down to about this before they look."""

MAX_PIXELS = 50_000_000
"""A picture of 7,000 by 7,000; decoded it takes 200 MB."""

QUALITY = 85
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")


def scaled(data: bytes) -> Picture:
    """The first frame of a picture, upright, as JPEG, or as PNG where parts of it are transparent."""
    warnings.simplefilter("ignore")
    try:
        return _scaled(data)
    except Image.DecompressionBombError:
        return Picture(Outcome.TOO_DEMANDING)


def _scaled(data: bytes) -> Picture:
    with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
        if opened.width * opened.height > MAX_PIXELS:
            return Picture(Outcome.TOO_DEMANDING, width=opened.width, height=opened.height)
        opened.draft("RGB", (MAX_SIDE, MAX_SIDE))
        upright = ImageOps.exif_transpose(opened)
        upright.thumbnail((MAX_SIDE, MAX_SIDE))
        clear = upright.has_transparency_data
        out, kind = io.BytesIO(), "PNG" if clear else "JPEG"
        upright.convert("RGBA" if clear else "RGB").save(out, kind, quality=QUALITY)
    return Picture(Outcome.PICTURE, out.getvalue(), f"image/{kind.lower()}", upright.width, upright.height)
