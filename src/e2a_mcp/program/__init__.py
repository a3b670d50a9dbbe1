"""What a person installs: the commands, and the composition of engine, HTTP, MCP and workers."""
