"""Webhooks: whom the account wants told of which events, and what each was sent."""
