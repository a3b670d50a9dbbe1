"""Readers of the event log that send what they read."""
