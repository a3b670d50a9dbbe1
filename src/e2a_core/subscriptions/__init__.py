"""Events delivered to the callbacks of MCP clients: `events/subscribe` of MCP Events (SEP-3415)."""
