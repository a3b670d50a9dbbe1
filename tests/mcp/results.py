"""What a result holds, as the type a test expects there."""

from __future__ import annotations

import base64

from mcp_types import BlobResourceContents, CallToolResult, ReadResourceResult, TextContent

__all__ = ["octets_of", "text_of"]


def text_of(result: CallToolResult) -> str:
    """The text a model reads first."""
    first = result.content[0]
    assert isinstance(first, TextContent)
    return first.text


def octets_of(result: ReadResourceResult) -> bytes:
    """The octets of a resource that is one blob."""
    (contents,) = result.contents
    assert isinstance(contents, BlobResourceContents)
    return base64.b64decode(contents.blob)
