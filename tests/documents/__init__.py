"""Readers of attachments."""
