"""The MCP server: an agent's mailbox as tools, resources and prompts."""
