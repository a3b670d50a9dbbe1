"""Contacts of an account, and the outreach (engagements) of its agents to them."""
