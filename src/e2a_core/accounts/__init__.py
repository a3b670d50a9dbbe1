"""Accounts: who owns inboxes, what they may use, and the API keys that speak for them."""
