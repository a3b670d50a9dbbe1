"""Starts the mailbox for a host that installed this bundle. The settings come from the host's form, as variables."""

from e2a_mcp.program.mcp import main

if __name__ == "__main__":
    raise SystemExit(main())
