"""Agents: inboxes and the addresses that reach them."""
