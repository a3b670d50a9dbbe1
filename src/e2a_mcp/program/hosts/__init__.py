"""Sets up MCP hosts: where each keeps its servers, what it wants written, and how a file is changed and restored."""
