"""Agents: inboxes and their addresses."""
