"""Accounts: the owners of inboxes, their limits and their API keys."""
