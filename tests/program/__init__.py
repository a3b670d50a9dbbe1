"""Tests of e2a_mcp.program."""
