"""`e2a-mcp` over stdio that writes down, at its end, which modules it imported: to the file E2A_TEST_MODULES names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from e2a_mcp.program.mcp import main

if __name__ == "__main__":
    status = main([])
    Path(os.environ["E2A_TEST_MODULES"]).write_text("\n".join(sys.modules), encoding="utf-8")
    sys.exit(status)
