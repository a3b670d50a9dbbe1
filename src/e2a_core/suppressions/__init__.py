"""Suppressions: addresses that must not receive mail, per account or per agent."""
