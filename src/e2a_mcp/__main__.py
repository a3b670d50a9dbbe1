"""`python -m e2a_mcp` is the command `e2a-mcp`."""

from __future__ import annotations

import sys

from e2a_mcp.program.mcp import main

if __name__ == "__main__":
    sys.exit(main())
