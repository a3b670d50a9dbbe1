"""The commands, and the composition of engine, HTTP listener, MCP server and workers."""
