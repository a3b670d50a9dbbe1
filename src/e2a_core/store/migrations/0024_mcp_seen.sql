-- When an MCP host last used the account, to the minute.
ALTER TABLE accounts ADD COLUMN mcp_seen_at BIGINT;
