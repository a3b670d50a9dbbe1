"""The mail engine: relay, authentication, store, reviews and delivery for AI agents' mailboxes."""
