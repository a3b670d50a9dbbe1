"""Conversations of one inbox, derived from its messages."""
